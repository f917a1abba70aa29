"""Heavy work beside the requests: who is told of a job, who does it, and what an export looks like."""
