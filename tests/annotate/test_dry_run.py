from samrs_mm.annotate import dry_run


def test_a_dry_run_counts_and_measures_without_writing(filled):
    work = dry_run.work_of(filled)
    assert (work.prompted_images, work.statuses) == (2, dict(ok=7))
    speed = dry_run.measure_speed(filled)
    assert (speed.images, speed.boxes) == (3, 7)
    assert speed.bytes_per_box > 0
    assert dry_run.disk_bytes(filled, 3, 7, speed) > 7 * speed.bytes_per_box
    assert not list((filled.out.root / 'instances').iterdir())
