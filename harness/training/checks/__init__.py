"""Settings, judges and data of a training run, checked before anything is paid."""
