"""What keeps an audit true: drift since an earlier one, edited twins, explanations."""
