"""The report as text: HTML, Markdown, JSON, SARIF, JUnit and the terminal."""
