"""Tables of text."""


def table(head, rows):
    """Columns as wide as they have to be: the first one to the left, numbers to the right."""
    lines = [head] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]

    def written(line):
        cells = [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        return "  ".join(cells).rstrip()

    line_below = "  ".join("-" * width for width in widths)
    return "\n".join([written(head), line_below, *(written(line) for line in lines[1:])])
