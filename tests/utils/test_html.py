"""Tables in HTML show text of others as it is."""

from hfal.utils.html import html_table


def test_the_head_and_the_first_cells() -> None:
    assert (
        html_table([["a", "b"], [1, 2]]) == "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"
    )
    assert html_table([["a", 1], ["b", 2]], has_head=False) == (
        "<table><tr><th>a</th><td>1</td></tr><tr><th>b</th><td>2</td></tr></table>"
    )


def test_text_is_neither_markup_nor_control_characters_nor_a_secret() -> None:
    table = html_table([["<script>alert('x')</script>", "a\x1b[2J\nb", "https://me:secret@host/"]])
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in table
    assert "\x1b" not in table
    assert "\n" not in table
    assert "secret" not in table
