"""The database: connections, transactions, clock and NOTIFY, as the engine needs them."""
