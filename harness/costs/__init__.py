"""What a run costs, told before it is paid."""
