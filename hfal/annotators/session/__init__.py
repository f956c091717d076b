"""Sessions: what one person is asked and has said, whatever shows it, a terminal or a page."""
