"""multiprocessing's Pool, Queue, Lock, Semaphore, Value, Array, Event and Barrier (each of which
makes named semaphores); prints "ok" when they keep their promises."""
import ctypes
import multiprocessing as mp
import sys

PROCESSES = 3
ROUNDS = 300


def square(number):
    return number * number


def count(lock, total):
    for _ in range(ROUNDS):
        with lock:
            total.value += 1


def relay(source, sink):
    for item in iter(source.get, None):
        sink.put(item + 1)


def meet(barrier, event, array, place):
    barrier.wait(60)
    event.wait(60)
    array[place] = place + 1


def finish(processes):
    for process in processes:
        process.join(60)
        assert process.exitcode == 0, process.exitcode


def start(target, arguments):
    processes = [mp.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    return processes


def check_pool():
    with mp.Pool(PROCESSES) as pool:
        assert pool.map(square, range(1000)) == [n * n for n in range(1000)]


def check_lock():
    lock, total = mp.Lock(), mp.Value(ctypes.c_long, 0, lock=False)
    finish(start(count, [(lock, total)] * PROCESSES))
    assert total.value == PROCESSES * ROUNDS, total.value


def check_queue():
    source, sink = mp.Queue(), mp.Queue()
    processes = start(relay, [(source, sink)] * PROCESSES)
    for number in range(ROUNDS):
        source.put(number)
    assert sorted(sink.get(timeout=60) for _ in range(ROUNDS)) == list(range(1, ROUNDS + 1))
    for _ in processes:
        source.put(None)
    finish(processes)


def check_meeting():
    barrier, event, array = mp.Barrier(PROCESSES + 1), mp.Event(), mp.Array("i", PROCESSES)
    processes = start(meet, [(barrier, event, array, n) for n in range(PROCESSES)])
    barrier.wait(60)
    event.set()
    finish(processes)
    assert list(array) == list(range(1, PROCESSES + 1))


if __name__ == "__main__":
    mp.set_start_method(sys.argv[1] if len(sys.argv) > 1 else "fork")
    check_pool()
    check_lock()
    check_queue()
    check_meeting()
    print("ok")
