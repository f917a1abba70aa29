"""The assistant: from a question in a room to the pieces of an answer, read from a language model."""
