"""Who answers a query. Annotators know neither models nor strategies, and load no torch."""
