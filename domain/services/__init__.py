"""Services: functions `(command, uow) -> result`. All state is in their parameters."""
