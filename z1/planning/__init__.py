"""What a run will take before it starts: replies, tokens, accelerator-hours, cost; and the largest
lever.

``steps`` are a recipe's pipeline as a list, ``figures`` what such a run is known or guessed to be
like, ``counts`` the problems of each split, ``estimate`` the arithmetic, ``lever`` what would save
most, ``actual`` what a finished run took, ``learning`` the figures that it gives the next plan, and
``tables`` what a person sees.
"""
