"""Parts of a row's rubric: what stands beside a criterion's text, trees, and the forms of peers."""
