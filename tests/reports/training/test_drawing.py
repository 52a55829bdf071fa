from __future__ import annotations

from rubricbeat.reports.training.drawing import for_page


def test_matplotlibs_style_becomes_attributes() -> None:
    svg = (
        '<?xml version="1.0"?><svg width="9pt" height="8pt" viewBox="0 0 9 8" '
        'xmlns="http://www.w3.org/2000/svg"><style>*{}</style><defs><g id="a"/></defs>'
        "<text style=\"font: 12px 'DejaVu Sans'; text-anchor: middle\">x</text>"
        '<path style="fill: #010203" clip-path="url(#a)"/></svg>'
    )
    assert for_page(svg, "f") == (
        '<svg stroke-linejoin="round" stroke-linecap="butt" aria-hidden="true" '
        'viewBox="0 0 9 8" width="900"><defs><g id="f-a"/></defs>'
        '<text font-size="12" text-anchor="middle">x</text>'
        '<path fill="currentColor" clip-path="url(#f-a)"/></svg>'
    )
