"""The item's place in a camera's view: region, crop, looks, and composed views to train and measure with."""

from waste_edge.item.crop import crop_item
from waste_edge.item.ground import Ground, unpack
from waste_edge.item.looks import LOOKS, count_looks, look_of
from waste_edge.item.region import ItemRegion, find_item, in_frame

__all__ = ["LOOKS", "Ground", "ItemRegion", "count_looks", "crop_item", "find_item", "in_frame", "look_of", "unpack"]
