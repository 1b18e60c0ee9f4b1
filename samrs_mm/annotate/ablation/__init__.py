"""The same boxes under many prompts: what ``tools/prompt_ablation.py`` runs."""
