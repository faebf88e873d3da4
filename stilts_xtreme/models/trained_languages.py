"""The languages that encoders were pretrained on, where several encoders share them."""

from __future__ import annotations

from collections.abc import Mapping

CC100 = """
af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it ja jv
ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq sr su sv sw
ta te th tl tr ug uk ur uz vi xh yi zh
"""
"""XLM-R's (Conneau et al. 2020, arXiv 1911.02116, appendix A). A language in several scripts counts once."""

MBERT = """
af an ar ast az azb ba bar be bg bn bpy br bs ca ce ceb cs cv cy da de el en es et eu fa fi fr fy ga gl gu he hi hr ht
hu hy id io is it ja jv ka kk kn ko ky la lb lmo lt lv mg min mk ml mn mr ms my nds ne new nl nn no oc pa pl pms pnb pt
ro ru scn sco sh sk sl sq sr su sv sw ta te tg th tl tr tt uk ur uz vi vo war yo zh
"""
"""Those of multilingual BERT, cased (google-research/bert, multilingual.md)."""

KNOWN: Mapping[str, tuple[str, ...]] = {"cc100": tuple(CC100.split()), "mbert": tuple(MBERT.split())}
"""Name -> codes."""
