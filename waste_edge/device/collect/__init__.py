"""Collecting: crops of unsure, asked, corrected and audited items, kept for training if that is switched on."""
