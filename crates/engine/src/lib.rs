//! What follows from what was said: logs, membership, directory, caseload. Pure, sans-IO.
