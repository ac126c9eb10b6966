"""Formulas as MathML, made at build time: a page shows them without scripts and without a network."""

import re
from typing import Final

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

_NAME: Final = re.compile(r"\\texttt\{([^}]*)\}")


def mathml(formula: str, is_block: bool = False) -> str:
    r"""Return a formula as MathML; `\texttt{a\_name}`, which docutils does not know, as text of class `name`."""
    names = [name.replace("\\_", "_") for name in _NAME.findall(formula)]
    made = tex2mathml(
        _NAME.sub(lambda found: rf"\text{{{found[1]}}}".replace("\\_", "_"), formula), as_block=is_block
    )
    for name in names:
        made = made.replace(f"<mtext>{name}</mtext>", f'<mtext class="name">{name}</mtext>')
    return made


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(mathml(node.astext(), is_block=True))
    self.body.append("</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Make MathML the renderer of formulas."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
