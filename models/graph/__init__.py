"""The one graph: an ensemble's members, weights inside, as a single TensorFlow graph that takes raw frames.

Importing this package imports neither TensorFlow nor Keras; building and loading do.
"""

from gapsack.models.graph.build import build_graph
from gapsack.models.graph.foreign.saved_model import SavedModelMember
from gapsack.models.graph.formats.savedmodel import Graph
from gapsack.models.graph.members import AnyMember, Member
from gapsack.models.graph.output import GraphOutput, Predictor
from gapsack.models.graph.size import fixed_reserve_bytes, member_reserve_bytes, reserve_bytes
from gapsack.models.graph.writing import GraphInfo

__all__ = [
    "AnyMember",
    "Graph",
    "GraphInfo",
    "GraphOutput",
    "Member",
    "Predictor",
    "SavedModelMember",
    "build_graph",
    "fixed_reserve_bytes",
    "member_reserve_bytes",
    "reserve_bytes",
]
