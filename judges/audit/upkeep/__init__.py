"""What keeps an audit true: drift, families of models, edited twins."""
