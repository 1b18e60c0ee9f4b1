"""Ray's actors: who is free gets work, who dies loses nothing, the bytes are those of one run."""

import itertools
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from types import SimpleNamespace

import pytest
from folders import CONFIG, load_tool, tree, write_dota

from samrs_mm.annotate import ray_crew
from samrs_mm.annotate.ray_crew import MOST_DEATHS, Portion
from samrs_mm.core.errors import SamrsError

FILL = ('--cfg-options', 'model.type=BoxFillSegmentor')


class DeathError(Exception):
    pass


class FakeRay:
    """Actors in this process: what is asked of them is done when the answer is fetched.

    Args:
        resources: Of the cluster.
        fault: Called as ``fault(hand, method, args)`` before each; what it raises ends the actor.
    """

    exceptions = SimpleNamespace(
        RayActorError=DeathError, OutOfMemoryError=DeathError, WorkerCrashedError=DeathError
    )

    def __init__(self, resources, fault=lambda *_: None):
        self.resources, self.fault = resources, fault
        self.needs, self.hands, self.killed = [], [], []

    def init(self, **options):
        if options['address'] != 'local':
            raise ConnectionError

    def shutdown(self):
        pass

    def cluster_resources(self):
        return self.resources

    def kill(self, actor):
        self.killed.append(actor)

    def remote(self, kind):
        return SimpleNamespace(
            options=lambda **need: SimpleNamespace(remote=partial(self.make, kind, need))
        )

    def make(self, kind, need, *args):
        self.needs.append(need)
        self.hands.append(hand := kind(*args))
        asked = {
            name: SimpleNamespace(remote=partial(Answer, self, hand, name))
            for name in ('load', 'run')
        }
        return SimpleNamespace(**asked)

    def wait(self, answers, timeout):
        assert answers
        return answers[:1], answers[1:]

    def get(self, answer):
        self.fault(answer.hand, answer.method, answer.args)
        return getattr(answer.hand, answer.method)(*answer.args)


class Answer:
    def __init__(self, ray, hand, method, *args):
        self.hand, self.method, self.args = hand, method, args


@pytest.fixture
def annotate(tmp_path):
    data = write_dota(tmp_path / 'data', scenes=7)
    tool = load_tool('sam_annotate')

    def run(out, *flags, config=CONFIG):
        argv = [config, '--data-root', str(data), '--out', str(tmp_path / out), '--workers', '0']
        return tool.main([*argv, *flags])

    return run


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.delenv('RAY_ADDRESS', raising=False)

    def build(fault=lambda *_: None, **resources):
        ray = FakeRay(resources or dict(CPU=3.0), fault)
        monkeypatch.setitem(sys.modules, 'ray', ray)
        return ray

    return build


def test_actors_write_what_one_process_writes(annotate, cluster, tmp_path):
    assert annotate('whole', *FILL) == 0
    ray = cluster()
    assert annotate('out', '--launcher', 'ray', *FILL) == 0
    assert len(ray.hands) == 3
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')
    assert annotate('out', '--launcher', 'ray', *FILL) == 0, 'nothing is left to do'


def test_actors_that_die_lose_nothing(annotate, cluster, tmp_path):
    assert annotate('whole', *FILL) == 0
    deaths = iter([False, True, False, False, True, True])

    def fault(hand, method, args):
        if method == 'run' and next(deaths, False):
            portion, settings = args
            hand.run(Portion(portion.scenes[:1]), settings)  # it got so far
            raise DeathError

    ray = cluster(fault)
    assert annotate('out', '--launcher', 'ray', *FILL) == 0
    assert len(ray.hands) > 3, 'others were started in their place'
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_an_image_that_ends_every_actor_fails_alone(annotate, cluster, tmp_path, capsys):
    def fault(hand, method, args):
        if method == 'run' and any('P0002' in scene for scene in args[0].scenes):
            raise DeathError

    cluster(fault)
    assert annotate('out', '--launcher', 'ray', *FILL) == 1
    assert f'P0002: {MOST_DEATHS} actors died over it' in capsys.readouterr().err
    assert len(list((tmp_path / 'out/instances').iterdir())) == 6
    cluster()
    assert annotate('out', '--launcher', 'ray', *FILL) == 0
    assert annotate('whole', *FILL) == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_actors_that_get_on_may_die_as_often_as_they_like(annotate, cluster, tmp_path):
    tiled = (*FILL, 'tile.size=40', 'tile.overlap=0')
    assert annotate('whole', *tiled) == 0

    def fault(hand, method, args):
        if method == 'run' and (left := [s for s in args[0].scenes[0] if not has_record(s)]):
            hand.run(Portion((tuple(left[:1]),)), args[1])
            if len(left) > 1:
                raise DeathError

    def has_record(stem):
        return (tmp_path / f'out/instances/{stem}.json').exists()

    cluster(fault)
    assert annotate('out', '--launcher', 'ray', *tiled) == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_a_tile_that_ends_every_actor_fails_without_the_rest_of_its_scene(
    annotate, cluster, tmp_path, capsys
):
    tiled = (*FILL, 'tile.size=100', 'tile.overlap=20')
    assert annotate('whole', *tiled) == 0
    stems = sorted(path.stem for path in (tmp_path / 'whole/instances').iterdir())
    deadly = [stem for stem in stems if stem.startswith('P0002')][1]

    def fault(hand, method, args):
        if method == 'run' and any(deadly in scene for scene in args[0].scenes):
            raise DeathError

    cluster(fault)
    assert annotate('out', '--launcher', 'ray', *tiled) == 1
    assert f'{deadly}: {MOST_DEATHS} actors died over it' in capsys.readouterr().err
    made = sorted(path.stem for path in (tmp_path / 'out/instances').iterdir())
    assert made == [stem for stem in stems if stem != deadly]


def test_actors_that_die_while_they_load_are_forgotten_once_one_has_loaded(
    annotate, cluster, tmp_path
):
    assert annotate('whole', *FILL) == 0
    loads, died = itertools.cycle([False, False, True, False]), set()

    def fault(hand, method, args):
        if method == 'load':
            dies = next(loads)
        else:  # once over each portion
            dies = args[0].scenes not in died
            died.add(args[0].scenes)
        if dies:
            raise DeathError

    ray = cluster(fault, CPU=2)
    assert annotate('out', '--launcher', 'ray', *FILL) == 0
    assert len(ray.hands) >= 2 + 7 + 2
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_what_is_left_of_a_portion_after_a_death():
    portion = Portion((('a1', 'a2', 'a3'), ('b1',), ('c1', 'c2')), 1)
    assert portion.after_death({'a1', 'b1'}) == [
        Portion((('a2', 'a3'),), 0), Portion((('c1', 'c2'),), 2),
    ]  # fmt: skip
    last = MOST_DEATHS - 1
    halves = Portion((('a', 'b', 'c'),), last).after_death(set())
    assert halves == [Portion((('a',),), last), Portion((('b', 'c'),), last)]
    assert halves[0].after_death(set()) == [Portion((('a',),), MOST_DEATHS)]


def test_a_machine_that_cannot_is_left_out(annotate, cluster, tmp_path, capsys, monkeypatch):
    ray = cluster()
    load = ray_crew.Hand.load
    answers = iter([{}, dict(refused='no weights there'), dict(settings=dict(type='Other'))])
    monkeypatch.setattr(ray_crew.Hand, 'load', lambda hand: load(hand) | next(answers, {}))
    assert annotate('out', '--launcher', 'ray', *FILL) == 0
    assert len(ray.killed) == 2
    assert len(list((tmp_path / 'out/instances').iterdir())) == 7


def test_where_no_machine_can_the_reason_is_told(annotate, cluster, tmp_path, capsys, monkeypatch):
    cluster()
    monkeypatch.setattr(
        ray_crew.Hand, 'load', lambda _: dict(node='n1', refused='no weights there')
    )
    assert annotate('out', '--launcher', 'ray', *FILL) == 2
    assert 'error: n1: no weights there' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_an_actor_that_says_stop_ends_the_run(annotate, cluster, capsys, monkeypatch):
    def full(self):
        raise SamrsError('no space left on the device')

    cluster()
    monkeypatch.setattr('samrs_mm.annotate.driver.Annotator.run', full)
    assert annotate('out', '--launcher', 'ray', *FILL) == 1
    assert 'no space left on the device' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('resources', 'device', 'expected'),
    [
        (dict(CPU=16.0), None, [dict(num_cpus=4)] * 4),
        (dict(CPU=3.0), None, [dict(num_cpus=3)]),
        (dict(CPU=64.0, GPU=2.0), None, [dict(num_gpus=1)] * 2),
        (dict(CPU=8.0, GPU=2.0), 'cpu', [dict(num_cpus=4)] * 2),
    ],
)
def test_an_actor_has_a_gpu_or_the_cores_of_its_threads(cluster, resources, device, expected):
    ray = cluster(**resources)
    segmentor = SimpleNamespace(threads=4, settings=dict(threads=4, device='cpu'))
    order = ray_crew.Order('config.py', {}, {}, device=device)
    crew = ray_crew.Crew(SimpleNamespace(segmentor=segmentor), order)
    assert crew.order.options == {'model.threads': 4}
    crew._hire(100)
    assert ray.needs == expected


def test_portions_get_smaller_towards_the_end():
    waiting = ray_crew.deque([(f's{i}',) for i in range(40)])
    sizes = []
    while waiting:
        sizes.append(len(ray_crew._next(waiting, hands=2)))
    assert sizes[0] == 6
    assert sizes[-1] == 1
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == 40


def test_ray_is_asked_for_in_a_line(annotate, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'ray', None)
    assert annotate('out', '--launcher', 'ray', *FILL) == 2
    assert 'needs Ray: pip install "ray' in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_named(annotate, cluster, monkeypatch, capsys):
    cluster()
    monkeypatch.setenv('RAY_ADDRESS', 'head:6379')
    assert annotate('out', '--launcher', 'ray', *FILL) == 2
    assert 'RAY_ADDRESS=head:6379: no Ray cluster answers' in capsys.readouterr().err


def test_ray_and_shards_exclude_each_other(annotate, capsys):
    with pytest.raises(SystemExit) as end:
        annotate('out', '--launcher', 'ray', '--shard', '0/2')
    assert end.value.code == 2
    assert '--shard exclude each other' in capsys.readouterr().err


PLUGIN = """
import time
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS

@PROMPT_SEGMENTORS.register_module()
class SlowFill(BoxFillSegmentor):
    def encode(self, images):
        time.sleep(0.5)
        return super().encode(images)
"""


def hands_at_work(psutil):
    """Yield the processes of actors at work; one that was killed may be there as a zombie."""
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if 'ray::Hand.run' in ' '.join(each.cmdline()):
                yield each.pid


@pytest.mark.slow
def test_killed_actors_of_ray_itself(annotate, tmp_path, monkeypatch):
    pytest.importorskip('ray')
    psutil = pytest.importorskip('psutil')
    (tmp_path / 'slow_fill.py').write_text(PLUGIN)
    config = tmp_path / 'slow.py'
    plugin = (
        "model = dict(_delete_=True, type='SlowFill')\ncustom_imports = dict(imports=['slow_fill'])"
    )
    config.write_text(f'_base_ = [{CONFIG!r}]\n{plugin}\n')
    assert annotate('whole', config=str(config)) == 0
    monkeypatch.setenv('RAY_ADDRESS', 'local')
    killed, ended = [], threading.Event()

    def kill_actors():
        folder = tmp_path / 'out/instances'
        while len(killed) < 2 and not ended.wait(0.05):
            if folder.is_dir() and len(list(folder.iterdir())) > len(killed):
                alive = (pid for pid in hands_at_work(psutil) if pid not in killed)
                for pid in itertools.islice(alive, 1):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    killer = threading.Thread(target=kill_actors)
    killer.start()
    try:
        assert annotate('out', '--launcher', 'ray', config=str(config)) == 0
    finally:
        ended.set()
        killer.join()
    assert len(killed) == 2
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')
