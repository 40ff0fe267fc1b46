"""Formulas and names, as text, LaTeX and MathML."""
