"""Host side: photographs and a recipe become a run. The only rooms that import torch are this and export."""
