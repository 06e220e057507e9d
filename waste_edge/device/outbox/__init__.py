"""Events kept on the disk before anyone is told of them."""
