"""What `rubricbeat lint` finds in rubrics, and in verdicts on them."""
