"""The one graph: an ensemble's members, weights inside, as a single TensorFlow graph that takes raw frames.

Importing this package imports neither TensorFlow nor Keras; building and loading do.
"""

from models.graph.build import GraphInfo, build_graph
from models.graph.foreign import SavedModelMember
from models.graph.members import AnyMember, Member
from models.graph.output import GraphOutput, Predictor
from models.graph.served import Graph
from models.graph.shared import Shared
from models.graph.size import reserve_bytes

__all__ = [
    "AnyMember",
    "Graph",
    "GraphInfo",
    "GraphOutput",
    "Member",
    "Predictor",
    "SavedModelMember",
    "Shared",
    "build_graph",
    "reserve_bytes",
]
