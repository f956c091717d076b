"""Scripts to copy and edit; installed as `hfal.recipes`, where `hfal run` finds them."""
