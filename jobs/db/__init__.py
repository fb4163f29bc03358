"""The database as jobs need it: connection, transactions, clock, errors, back-off and NOTIFY."""
