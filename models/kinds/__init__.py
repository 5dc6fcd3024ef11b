"""What families of one kind are made by: all that they share, given what is a family's own."""
