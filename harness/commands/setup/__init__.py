"""Commands about the installation: what there is, whether it works, and the shell."""
