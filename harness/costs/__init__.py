"""What a run costs, estimated beforehand."""
