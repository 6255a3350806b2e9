"""Fine-tuning on TRL: rows of token ids in, a Hugging Face model folder out."""
