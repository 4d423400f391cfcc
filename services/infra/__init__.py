"""What every process shares: settings, log, database, metrics, clocks."""
