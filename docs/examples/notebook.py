"""A deliberation in ten lines of Python, as it would stand in a notebook.

python docs/examples/notebook.py
"""

import asyncio

from letters import decompose

from workbench.api import amplify


async def main() -> None:
    """Ask, and look at what came back."""
    answer = await amplify("letters in: to be or not to be", by=decompose, store="letters.db")
    print(answer.text, answer.status, answer.trace, answer.workspaces)  # noqa: T201 - its output


if __name__ == "__main__":
    asyncio.run(main())
