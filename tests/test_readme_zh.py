"""README_zh-CN.md says what README.md says: the same commands, tables, links and numbers."""

import re

from folders import ROOT

ENGLISH, CHINESE = (
    (ROOT / name).read_text(encoding='utf-8') for name in ('README.md', 'README_zh-CN.md')
)


def code(page: str) -> list[str]:
    """Return the lines of all code blocks without their comments."""
    blocks = re.findall(r'^```\w+\n(.*?)^```', page, re.M | re.S)
    lines = '\n'.join(blocks).splitlines()
    return [bare for line in lines if (bare := re.sub(r'(^|\s+)#.*', '', line))]


def prose(page: str) -> list[str]:
    """Return the lines outside code blocks."""
    return re.sub(r'^```.*?^```', '', page, flags=re.M | re.S).splitlines()


def rows(page: str) -> list[list[str]]:
    """Return of each table row the links and the code spans, with their repetitions."""
    found = [line for line in prose(page) if re.match(r'(> )?\|', line)]
    return [sorted(re.findall(r'\]\(([^)]*)\)|(`[^`]*`)', line)) for line in found]


def numbers(page: str) -> list[list[str]]:
    """Return the numbers of each row of the tables."""
    found = [line for line in prose(page) if line.startswith('|')]
    return [sorted(re.findall(r'\d+(?:\.\d+)?', re.sub(r'\([^)]*\)', '', row))) for row in found]


def test_the_same_code():
    assert code(ENGLISH) == code(CHINESE)
    assert len(code(ENGLISH)) > 12


def test_the_same_headings():
    levels = [re.findall(r'^#+ ', '\n'.join(prose(page)), re.M) for page in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]


def test_the_same_tables():
    assert rows(ENGLISH) == rows(CHINESE)
    assert numbers(ENGLISH) == numbers(CHINESE)


def test_the_same_links_and_names():
    """But for those to each other."""
    for pattern in (r'\]\(([^)]*)\)', r'`([^`\n]+)`'):
        found = [sorted(re.findall(pattern, '\n'.join(prose(page)))) for page in (ENGLISH, CHINESE)]
        english = [each for each in found[0] if each != 'README_zh-CN.md']
        assert english == [each for each in found[1] if each != 'README.md']
        assert len(english) > 20


def test_they_lead_to_each_other():
    assert '[简体中文](README_zh-CN.md)' in ENGLISH.split('##')[0]
    assert '[English](README.md)' in CHINESE.split('##')[0]
