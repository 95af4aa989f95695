"""Bad input: each kind ends in a refusal or an error with its place first and its fix last."""

import datetime
import pathlib
import zipfile

import pytest

from crm_schema.sample import reader
from crm_schema.sample.reader import SampleDataError
from crm_schema.sample.rows import Refusal, Repair
from crm_schema.stages import Stage

FILES = {
    "sales_teams.csv": "sales_agent,manager,regional_office\nAda Lin,Grace Ho,East\nBob Ray,Grace Ho,East\n",
    "products.csv": "product,series,sales_price\nGTX Pro,GTX,4821\nMG Special,MG,55\n",
    "accounts.csv": (
        "account,sector,year_established,revenue,employees,office_location,subsidiary_of\n"
        "Acme,technolgy,1996,1100.04,2822,Kenya,\n"
        "Bluth,retail,1993,1242,3027,Japan,Acme\n"
    ),
    "sales_pipeline.csv": (
        "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n"
        "AAAA0001,Ada Lin,GTXPro,Acme,Won,10/20/2016,3/1/2017,1054\n"
        "AAAA0002,Bob Ray,MG Special,Bluth,Lost,10/25/2016,3/11/2017,0\n"
        "AAAA0003,Ada Lin,MG Special,,Prospecting,,,\n"
    ),
}
PIPELINE_HEADER = FILES["sales_pipeline.csv"].splitlines()[0]
DEAL = "AAAA0004,Ada Lin,MG Special,Acme,Engaging,10/20/2016,,"
DAY = "a day as month/day/year, such as 3/1/2017"
NUMBER = "a plain number such as 1054 or 1100.04, not negative"


@pytest.fixture
def directory(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def append(directory, name, *lines):
    with (directory / name).open("a", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in lines)


def replace(directory, name, old, new):
    text = (directory / name).read_text(encoding="utf-8")
    assert old in text
    (directory / name).write_text(text.replace(old, new), encoding="utf-8")


def refusals(directory):
    """What is refused, as people read it; the files themselves must come out of it as they were."""
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    report = reader.read_pipeline(directory).report
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    return [str(refusal) for refusal in report.refusals]


def problems(directory):
    with pytest.raises(SampleDataError) as caught:
        reader.read_pipeline(directory)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def test_rows_come_out_as_values(directory):
    data = reader.read_pipeline(str(directory))
    won, lost, lead = data.opportunities
    assert (won.line, won.opportunity_id, won.agent, won.product) == (2, "AAAA0001", "Ada Lin", "GTX Pro")
    assert (won.stage, won.engage_date, won.close_date) == (
        Stage.WON,
        datetime.date(2016, 10, 20),
        datetime.date(2017, 3, 1),
    )
    assert (won.close_value, lost.close_value, lead.close_value) == (1054, 0, None)
    assert (lead.account, lead.engage_date, lead.close_date) == (None, None, None)
    acme, bluth = data.accounts
    assert (acme.sector, acme.revenue, acme.subsidiary_of) == ("technology", 1100.04, None)
    assert (bluth.revenue, type(bluth.revenue), bluth.subsidiary_of) == (1242, int, "Acme")
    assert [(m.name, m.regional_office, m.line) for m in data.managers] == [("Grace Ho", "East", 2)]
    assert data.report.refusals == ()
    assert [str(repair) for repair in data.report.repairs] == [
        "accounts.csv, line 2: sector 'technolgy' read as 'technology':"
        " known misspelling of the published file",
        "sales_pipeline.csv, line 2: product 'GTXPro' read as 'GTX Pro': products.csv writes it so",
    ]


def test_reads_from_inside_an_archive(directory, tmp_path):
    archive = tmp_path / "sample.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in FILES:
            file.write(directory / name, f"data/{name}")
    with zipfile.ZipFile(archive) as file:
        assert len(reader.read_pipeline(zipfile.Path(file, "data/")).opportunities) == 3


def test_no_such_directory(tmp_path):
    assert problems(tmp_path / "nowhere") == [
        f"{tmp_path / 'nowhere'}: there is no such directory; expected one with"
        " sales_teams.csv, products.csv, accounts.csv, sales_pipeline.csv. Fix: check the path."
    ]


def test_a_missing_file_and_a_wrong_header_are_told_together(directory):
    (directory / "products.csv").unlink()
    replace(directory, "accounts.csv", "account,sector,", "account,sectr,")
    assert problems(directory) == [
        f"{directory}/products.csv: the file is missing; expected sales_teams.csv,"
        " products.csv, accounts.csv,"
        " sales_pipeline.csv. Fix: put it there.",
        f"{directory}/accounts.csv, line 1: wrong header: missing column 'sector', unexpected column 'sectr'"
        " (did you mean 'sector'?); expected account,sector,year_established,revenue,employees,"
        "office_location,subsidiary_of. Fix: correct the first line of the file.",
    ]


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("product,series", "wrong header: missing column 'sales_price'"),
        ("product,series,sales_price,color", "wrong header: unexpected column 'color'"),
        (
            "product,series,Sales_Price",
            "wrong header: missing column 'sales_price', unexpected column 'Sales_Price'"
            " (did you mean 'sales_price'?)",
        ),
        ("product,series,sales_price,series", "wrong header: column 'series' stands there 2 times"),
        (
            "GTX Basic,GTX,550",
            "wrong header: missing column 'product', missing column 'series', missing column 'sales_price',"
            " unexpected column 'GTX Basic', unexpected column 'GTX', unexpected column '550'",
        ),
    ],
)
def test_wrong_headers(directory, header, wrong):
    (directory / "products.csv").write_text(f"{header}\nGTX Pro,GTX,4821\n", encoding="utf-8")
    assert problems(directory) == [
        f"{directory}/products.csv, line 1: {wrong}; expected product,series,sales_price."
        " Fix: correct the first line of the file."
    ]


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_other_delimiters(directory, delimiter, name):
    replace(directory, "products.csv", ",", delimiter)
    assert problems(directory) == [
        f"{directory}/products.csv, line 1: wrong header: the cells are separated by {name}, not commas;"
        " expected product,series,sales_price. Fix: save the file with commas."
    ]


def test_an_empty_file(directory):
    (directory / "products.csv").write_bytes(b"")
    assert problems(directory) == [
        f"{directory}/products.csv, line 1: the file is empty; expected product,series,sales_price."
        " Fix: restore the file."
    ]


def test_utf16(directory):
    (directory / "products.csv").write_text(FILES["products.csv"], encoding="utf-16")
    assert problems(directory) == [
        f"{directory}/products.csv, line 1: the text is UTF-16; expected UTF-8. Fix: save the file as UTF-8."
    ]


def test_a_torn_header(directory):
    replace(directory, "products.csv", "product,series", 'product,"series')
    (problem,) = problems(directory)
    assert problem.startswith(
        f"{directory}/products.csv, line 1: a quote is opened and not closed on the line"
    )
    assert "Fix: close the quote" in problem


def test_an_unreadable_file(directory, monkeypatch):
    def read_bytes(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "read_bytes", read_bytes)
    assert problems(directory)[1] == (
        f"{directory}/products.csv: cannot be read (Permission denied); expected read access."
        " Fix: check its permissions."
    )


def test_columns_may_stand_in_another_order(directory):
    (directory / "products.csv").write_text(
        "sales_price,product,series\n4821,GTX Pro,GTX\n55,MG Special,MG\n", encoding="utf-8"
    )
    data = reader.read_pipeline(directory)
    assert [(p.name, p.series, p.price) for p in data.products] == [
        ("GTX Pro", "GTX", 4821),
        ("MG Special", "MG", 55),
    ]


def test_byte_order_mark_carriage_returns_and_no_last_newline(directory):
    text = FILES["products.csv"].replace("\n", "\r\n").removesuffix("\r\n")
    (directory / "products.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    report = reader.read_pipeline(directory).report
    assert report.refusals == ()
    assert report.repairs[0] == Repair(
        "products.csv", 1, "product", "\ufeff", "", "a byte order mark is no part of the text"
    )


def test_space_around_values_is_repaired_and_reported(directory):
    append(directory, "sales_pipeline.csv", "AAAA0004, Ada Lin,MG Special\t,Acme,Engaging,10/20/2016,, ")
    data = reader.read_pipeline(directory)
    assert (data.opportunities[-1].agent, data.opportunities[-1].close_value) == ("Ada Lin", None)
    assert [(r.line, r.column, r.found, r.used) for r in data.report.repairs[-3:]] == [
        (5, "sales_agent", " Ada Lin", "Ada Lin"),
        (5, "product", "MG Special\t", "MG Special"),
        (5, "close_value", " ", ""),
    ]


def test_quotes_protect_a_comma(directory):
    append(directory, "accounts.csv", '"Gekko, Sons & ""Co""",retail,1990,2520.83,3502,Japan,')
    assert reader.read_pipeline(directory).accounts[-1].name == 'Gekko, Sons & "Co"'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "AAAA0004,Ada Lin,MG Special",
            f"the row has 3 cells; expected 8: {PIPELINE_HEADER}."
            " Fix: complete the row; an empty cell keeps its comma.",
        ),
        (
            "AAAA0004",
            f"the row has 1 cell; expected 8: {PIPELINE_HEADER}."
            " Fix: complete the row; an empty cell keeps its comma.",
        ),
        (
            DEAL + DEAL,
            f"the row has 15 cells; expected 8: {PIPELINE_HEADER}. Fix: put quotes around a cell that has a"
            " comma, and join no two rows on one line.",
        ),
        (
            'AAAA0004,Ada Lin,"MG Special,Acme,Engaging,10/20/2016,,',
            "a quote is opened and not closed on the line; expected quotes in pairs, around a cell that has a"
            ' comma. Fix: close the quote, or write a quote inside a quoted cell as "".',
        ),
        (
            'AAAA0004,"Ada" Lin,MG Special,Acme,Engaging,10/20/2016,,',
            "the line is not CSV (',' expected after '\"'); expected cells with commas between."
            " Fix: restore the row.",
        ),
        ("", "the line is empty; expected a row. Fix: delete the line, or restore the row."),
        (
            "AAAA0004,Ada Lin,MG\0Special,Acme,Engaging,10/20/2016,,",
            "product 'MG\\x00Special' has a control character; expected plain text. Fix: delete"
            " the character.",
        ),
    ],
)
def test_a_torn_row_costs_itself_and_no_other(directory, line, reason):
    append(directory, "sales_pipeline.csv", line, DEAL)
    assert refusals(directory) == [f"sales_pipeline.csv, line 5: {reason}"]
    data = reader.read_pipeline(directory)
    assert [deal.line for deal in data.opportunities] == [2, 3, 4, 6]
    assert data.report.rows_read["sales_pipeline.csv"] == 5


def test_a_row_that_is_not_utf8(directory):
    with (directory / "sales_pipeline.csv").open("ab") as file:
        file.write(DEAL.replace("Acme", "Acm\xe9").encode("latin-1") + b"\n" + DEAL.encode() + b"\n")
    assert refusals(directory) == [
        "sales_pipeline.csv, line 5: byte 32 of the line, 0xE9, is not UTF-8; expected UTF-8."
        " Fix: save the file as UTF-8."
    ]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "10/20/2016",
            "13/20/2016",
            f"engage_date '13/20/2016' cannot be read (month must be in 1..12); expected {DAY}."
            " Fix: write engage_date so, or empty the cell if there is none.",
        ),
        (
            "10/20/2016",
            "2/29/2017",
            f"engage_date '2/29/2017' cannot be read (day is out of range for month); expected {DAY}."
            " Fix: write engage_date so, or empty the cell if there is none.",
        ),
        (
            "10/20/2016,,",
            "10/20/2016,2017-03-01,",
            f"close_date '2017-03-01' cannot be read; expected {DAY}."
            " Fix: write close_date so, or empty the cell if there is none.",
        ),
        (
            "10/20/2016,,",
            "10/20/2016,3/1/17,",
            f"close_date '3/1/17' cannot be read; expected {DAY}."
            " Fix: write close_date so, or empty the cell if there is none.",
        ),
        (
            "10/20/2016,,",
            "10/20/2016,,$1054",
            f"close_value '$1054' cannot be read; expected {NUMBER}."
            " Fix: write close_value so, or empty the cell if there is none.",
        ),
        (
            "10/20/2016,,",
            "10/20/2016,,-1",
            f"close_value '-1' cannot be read; expected {NUMBER}."
            " Fix: write close_value so, or empty the cell if there is none.",
        ),
        (
            "10/20/2016,,",
            "10/20/2016,,NaN",
            f"close_value 'NaN' cannot be read; expected {NUMBER}."
            " Fix: write close_value so, or empty the cell if there is none.",
        ),
        (
            "Engaging",
            "won",
            "deal_stage 'won' is unknown (did you mean 'Won'?); expected one of Prospecting,"
            " Engaging, Won, Lost."
            " Fix: correct deal_stage.",
        ),
        ("Engaging", "", "deal_stage is empty; expected a value. Fix: fill in deal_stage."),
        (
            "MG Special",
            "MG Specail",
            "product 'MG Specail' is not in products.csv (did you mean 'MG Special'?); expected one of its"
            " product names. Fix: correct the name, or add the row to products.csv.",
        ),
        (
            "Ada Lin",
            "Zoe Quux",
            "sales_agent 'Zoe Quux' is not in sales_teams.csv; expected one of its sales_agent names."
            " Fix: correct the name, or add the row to sales_teams.csv.",
        ),
        (
            "Acme",
            "acme",
            "account 'acme' is not in accounts.csv (did you mean 'Acme'?); expected one of its account names."
            " Fix: correct the name, or add the row to accounts.csv.",
        ),
        ("Ada Lin", "", "sales_agent is empty; expected a value. Fix: fill in sales_agent."),
        ("AAAA0004", "", "opportunity_id is empty; expected a value. Fix: fill in opportunity_id."),
        (
            "AAAA0004",
            "AAAA-004",
            "opportunity_id 'AAAA-004' cannot be an objectId; expected ASCII letters and digits,"
            " as in 1C1I7A6R."
            " Fix: correct the id.",
        ),
        (
            "AAAA0004",
            "AAAA0002",
            "opportunity_id 'AAAA0002' is a duplicate of line 3; expected every opportunity_id once."
            " Fix: delete one of the two rows, or give it its own opportunity_id.",
        ),
    ],
)
def test_a_bad_cell_refuses_its_row(directory, old, new, reason):
    good = reader.read_pipeline(directory).opportunities
    append(directory, "sales_pipeline.csv", DEAL.replace(old, new))
    assert refusals(directory) == [f"sales_pipeline.csv, line 5: {reason}"]
    assert reader.read_pipeline(directory).opportunities == good


def test_all_that_is_wrong_with_a_row_is_told_at_once(directory):
    append(directory, "sales_pipeline.csv", "AAAA0001,Ada Lin,MG Special,Acme,Closed,1/32/2017,soon,")
    assert refusals(directory) == [
        "sales_pipeline.csv, line 5: opportunity_id 'AAAA0001' is a duplicate of line 2; expected every"
        " opportunity_id once; deal_stage 'Closed' is unknown; expected one of Prospecting,"
        " Engaging, Won, Lost;"
        f" engage_date '1/32/2017' cannot be read (day is out of range for month); expected {DAY};"
        f" close_date 'soon' cannot be read; expected {DAY}. Fix: delete one of the two rows, or give it its"
        " own opportunity_id; correct deal_stage; write engage_date so, or empty the cell if there is"
        " none; write close_date so, or empty the cell if there is none."
    ]


def test_repairs_of_a_refused_row_are_not_reported(directory):
    append(directory, "sales_pipeline.csv", "AAAA0004,Ada Lin,GTXPro,Acme,Closed,,,")
    report = reader.read_pipeline(directory).report
    assert [refusal.line for refusal in report.refusals] == [5]
    assert [r.line for r in report.repairs if r.file == "sales_pipeline.csv"] == [2]


def test_an_id_of_a_refused_row_is_taken_all_the_same(directory):
    bad = DEAL.replace("Engaging", "Engagin")
    append(directory, "sales_pipeline.csv", bad, DEAL)
    first, second = refusals(directory)
    assert first.startswith("sales_pipeline.csv, line 5: deal_stage 'Engagin'")
    assert second.startswith("sales_pipeline.csv, line 6: opportunity_id 'AAAA0004' is a duplicate of line 5")


def test_a_refused_row_takes_along_those_that_refer_to_it(directory):
    replace(directory, "accounts.csv", "1996", "199x")
    assert refusals(directory) == [
        "accounts.csv, line 2: year_established '199x' cannot be read; expected a whole number such as 1986,"
        " not negative. Fix: write year_established so, or empty the cell if there is none.",
        "accounts.csv, line 3: subsidiary_of 'Acme' is on line 2 of accounts.csv, which was refused; expected"
        " a row there with that account. Fix: fix line 2 of accounts.csv first.",
        "sales_pipeline.csv, line 2: account 'Acme' is on line 2 of accounts.csv, which was refused; expected"
        " a row there with that account. Fix: fix line 2 of accounts.csv first.",
        "sales_pipeline.csv, line 3: account 'Bluth' is on line 3 of accounts.csv, which was"
        " refused; expected"
        " a row there with that account. Fix: fix line 3 of accounts.csv first.",
    ]


def test_a_known_misspelling_is_no_way_around_a_missing_product(directory):
    replace(directory, "products.csv", "GTX Pro,GTX,4821\n", "")
    (refusal,) = refusals(directory)
    assert refusal.startswith("sales_pipeline.csv, line 2: product 'GTX Pro' is not in products.csv")


def test_a_product_that_is_really_called_so_is_not_repaired(directory):
    append(directory, "products.csv", "GTXPro,GTX,1")
    assert reader.read_pipeline(directory).opportunities[0].product == "GTXPro"


@pytest.mark.parametrize("name", ["accounts.csv", "products.csv", "sales_teams.csv"])
def test_duplicate_names(directory, name):
    first = FILES[name].splitlines()[1]
    column = FILES[name].split(",", 1)[0]
    append(directory, name, first)
    assert refusals(directory) == [
        f"{name}, line 4: {column} {first.split(',')[0]!r} is a duplicate of line 2; expected"
        f" every {column} once."
        f" Fix: delete one of the two rows, or give it its own {column}."
    ]


def test_a_parent_that_is_no_account(directory):
    append(directory, "accounts.csv", "Cheers,,,,,,Acmee")
    assert refusals(directory) == [
        "accounts.csv, line 4: subsidiary_of 'Acmee' is not in accounts.csv (did you mean"
        " 'Acme'?); expected one"
        " of its account names. Fix: correct the name, or add the row to accounts.csv."
    ]


def test_accounts_below_themselves(directory):
    append(directory, "accounts.csv", "A,,,,,,B", "B,,,,,,A", "C,,,,,,C", "D,,,,,,A")
    itself = "puts the account below itself; expected a parent that is no subsidiary of it."
    fix = " Fix: correct the name, or empty the cell if the account has no parent."
    assert refusals(directory) == [
        f"accounts.csv, line 4: subsidiary_of 'B' {itself}{fix}",
        f"accounts.csv, line 5: subsidiary_of 'A' {itself}{fix}",
        f"accounts.csv, line 6: subsidiary_of 'C' {itself}{fix}",
        "accounts.csv, line 7: subsidiary_of 'A' is on line 4 of accounts.csv, which was"
        " refused; expected a row"
        " there with that account. Fix: fix line 4 of accounts.csv first.",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "ada-lin,Grace Ho,East",
            "sales_agent 'ada-lin' would have the username 'ada-lin', which 'Ada Lin' of line 2 has; expected"
            " different usernames for all agents and managers. Fix: tell the two names apart.",
        ),
        (
            "Cy Poe,Bob Ray,East",
            "manager 'Bob Ray' would have the username 'bob-ray', which 'Bob Ray' of line 3 has; expected"
            " different usernames for all agents and managers. Fix: tell the two names apart.",
        ),
        (
            "Cy Poe,Cy Poe,East",
            "manager 'Cy Poe' would have the username 'cy-poe', which 'Cy Poe' of line 4 has; expected"
            " different usernames for all agents and managers. Fix: tell the two names apart.",
        ),
        (
            "李明,Grace Ho,East",
            "sales_agent '李明' has nothing that a username could be made of; expected a name with"
            " ASCII letters"
            " or digits. Fix: write the name in ASCII letters.",
        ),
        (
            "Cy Poe,Grace Ho,West",
            "regional_office 'West' is not the 'East' that the manager 'Grace Ho' has on line 2; expected one"
            " office for all agents of a manager. Fix: correct the office or the manager.",
        ),
        (
            "Cy Poe,Hal Ito,South/East",
            "regional_office 'South/East' cannot be part of the name of a role; expected ASCII"
            " letters, digits,"
            " spaces, hyphens and underscores. Fix: rename the office.",
        ),
        ("Cy Poe,,East", "manager is empty; expected a value. Fix: fill in manager."),
    ],
)
def test_people_who_cannot_be_users(directory, line, reason):
    append(directory, "sales_teams.csv", line)
    assert refusals(directory) == [f"sales_teams.csv, line 4: {reason}"]
    assert [manager.name for manager in reader.read_pipeline(directory).managers] == ["Grace Ho"]


def test_only_names_are_required_of_accounts_and_products(directory):
    append(directory, "accounts.csv", "Cheers,,,,,,")
    append(directory, "products.csv", "GTK 500,,")
    data = reader.read_pipeline(directory)
    assert data.report.refusals == ()
    assert (data.accounts[-1].revenue, data.products[-1].price) == (None, None)


def test_the_report_counts_every_row_once(directory):
    append(directory, "sales_pipeline.csv", "torn", DEAL, DEAL)
    report = reader.read_pipeline(directory).report
    assert isinstance(report.refusals[0], Refusal)
    lines = list(report.lines())
    assert "sales_pipeline.csv: 6 rows read, 4 kept, 2 refused" in lines
    assert "repaired once: accounts.csv, line 2: sector" in "\n".join(lines)
    assert lines[-2].startswith("refused: sales_pipeline.csv, line 5: the row has 1 cell")
    assert lines[-1].startswith(
        "refused: sales_pipeline.csv, line 7: opportunity_id 'AAAA0004' is a duplicate"
    )


def test_a_long_value_is_cut_in_the_message(directory):
    append(directory, "sales_pipeline.csv", DEAL.replace("Acme", "x" * 500))
    (refusal,) = refusals(directory)
    assert f"account '{'x' * 60}...' is not in" in refusal
