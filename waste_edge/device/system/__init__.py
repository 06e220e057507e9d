"""The board under the station: heat and power, disk, load shedding, the health of each part."""
