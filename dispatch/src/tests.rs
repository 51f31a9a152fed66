use crate::simulation::{HZ, Habit, MS, Simulation, TIMING};
use crate::{Choice, MIN_PER_VCPU, Pool, Share, ShareError, Stop, VcpuId};
use proptest::collection::vec;
use proptest::prelude::*;

fn share(entitlement: u32, weight: u8, vcpus: u32) -> Share {
    Share {
        entitlement,
        weight,
        vcpus,
    }
}

const fn id(partition: usize, vcpu: usize) -> VcpuId {
    VcpuId { partition, vcpu }
}

/// What `entitlement` is in `ticks`.
fn due(entitlement: u32, ticks: u64) -> u64 {
    ticks * u64::from(entitlement) / 100
}

/// What an account may be off by: what it keeps at most, and a slice of each thread.
fn slack(entitlement: u32, threads: usize) -> u64 {
    due(entitlement, (TIMING.kept_windows + 1) * TIMING.window) + threads as u64 * TIMING.most_slice
}

#[derive(Clone, Debug)]
struct Scene {
    threads: usize,
    members: Vec<(Share, Vec<Habit>)>,
}

fn habit() -> BoxedStrategy<Habit> {
    prop_oneof![
        2 => Just(Habit::Busy),
        2 => (1..5 * MS, 1..30 * MS).prop_map(|(run, wait)| Habit::Naps { run, wait }),
        1 => Just(Habit::Asleep),
    ]
    .boxed()
}

/// Threads, and partitions that are together entitled to no more than them.
fn scene(habit: BoxedStrategy<Habit>) -> impl Strategy<Value = Scene> {
    let member = (1u32..5, 5u32..=100, prop_oneof![Just(0u8), 1..=255u8]);
    let member = member.prop_flat_map(move |(vcpus, each, weight)| {
        let share = share(each * vcpus, weight, vcpus);
        vec(habit.clone(), vcpus as usize).prop_map(move |habits| (share, habits))
    });
    (1usize..5, vec(member, 1..12)).prop_map(|(threads, members)| {
        let mut left = 100 * threads as u32;
        let fits = members.into_iter().filter_map(|(mut share, habits)| {
            let least = share.vcpus * MIN_PER_VCPU;
            share.entitlement = share.entitlement.min(left).max(least);
            left = left.checked_sub(share.entitlement)?;
            Some((share, habits))
        });
        let members = fits.collect();
        Scene { threads, members }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whoever_is_always_ready_has_its_entitlement_whatever_the_others_do(scene in scene(habit())) {
        const TICKS: u64 = 2 * HZ;
        let mut simulation = Simulation::new(scene.threads, &scene.members);
        simulation.run(TICKS);
        for (index, (share, habits)) in scene.members.iter().enumerate() {
            if habits.iter().all(|habit| matches!(habit, Habit::Busy)) {
                let (ran, due) = (simulation.ran(index), due(share.entitlement, TICKS));
                prop_assert!(ran + slack(share.entitlement, scene.threads) >= due, "{index}: {ran} of {due}");
            }
        }
    }

    #[test]
    fn nobody_capped_has_more_than_its_entitlement_in_any_second(scene in scene(habit())) {
        let mut simulation = Simulation::new(scene.threads, &scene.members);
        for _ in 0..4 {
            let before: Vec<u64> = (0..scene.members.len()).map(|n| simulation.ran(n)).collect();
            simulation.run(HZ / 2);
            for (index, (share, _)) in scene.members.iter().enumerate().filter(|(_, (s, _))| s.weight == 0) {
                let (ran, due) = (simulation.ran(index) - before[index], due(share.entitlement, HZ / 2));
                prop_assert!(ran <= due + slack(share.entitlement, scene.threads), "{index}: {ran} of {due}");
            }
        }
    }

    #[test]
    fn virtual_processors_of_a_partition_share_alike(scene in scene(Just(Habit::Busy).boxed())) {
        let mut simulation = Simulation::new(scene.threads, &scene.members);
        simulation.run(2 * HZ);
        for vcpus in &simulation.partitions {
            let ran: Vec<u64> = vcpus.iter().map(|vcpu| vcpu.ran).collect();
            let (least, most) = (ran.iter().min().unwrap(), ran.iter().max().unwrap());
            prop_assert!(most - least <= 3 * TIMING.window + most / 25, "{ran:?}");
        }
    }

    #[test]
    fn what_is_left_goes_by_weight(threads in 1usize..4, weights in vec(1u8..=255, 2..6)) {
        const TICKS: u64 = 4 * HZ;
        // All can use everything, and are entitled to little.
        let vcpus = threads as u32;
        let member = |weight: &u8| (share(5 * vcpus, *weight, vcpus), vec![Habit::Busy; threads]);
        let members: Vec<_> = weights.iter().map(member).collect();
        let mut simulation = Simulation::new(threads, &members);
        simulation.run(TICKS);
        let entitled = due(5 * vcpus, TICKS);
        let extra: Vec<u64> = (0..members.len()).map(|n| simulation.ran(n).saturating_sub(entitled)).collect();
        let (all, weight): (u64, u64) = (extra.iter().sum(), weights.iter().map(|&w| u64::from(w)).sum());
        for (had, &own) in extra.iter().zip(&weights) {
            let want = all * u64::from(own) / weight;
            prop_assert!(had.abs_diff(want) <= all / 50 + 4 * TIMING.window, "{extra:?} for {weights:?}");
        }
    }

    #[test]
    fn who_uses_little_runs_soon_after_it_wakes(scene in scene(Just(Habit::Busy).boxed()), wait in 5 * MS..40 * MS) {
        // One that is woken now and then, for a tenth of a millisecond, beside those who never wait.
        let mut members = scene.members;
        let entitled: u32 = members.iter().map(|(share, _)| share.entitlement).sum();
        prop_assume!(entitled + 10 <= 100 * scene.threads as u32);
        members.push((share(10, 0, 1), vec![Habit::Asleep]));
        let sleeper = members.len() - 1;
        let mut simulation = Simulation::new(scene.threads, &members);
        simulation.run(100 * MS);
        for _ in 0..40 {
            simulation.wake(id(sleeper, 0));
            simulation.run(wait);
        }
        let waited = &simulation.partitions[sleeper][0].waited;
        prop_assert!(waited.len() >= 40);
        for wait in waited {
            prop_assert!(wait.until_entitled == 0 && wait.until_dispatched <= TIMING.most_slice, "{wait:?}");
        }
    }
}

/// Scenes in which slices ended early for want of credit, of the same virtual processors again and again: four had
/// [1.04, 0.79, 0.72, 1.04] s in turns, and four on four threads 1.57 and three times 1.76.
#[test]
fn slices_cut_short_by_credit_do_not_add_up() {
    let busy = |count| vec![Habit::Busy; count];
    let beside_capped = vec![(share(20, 0, 2), busy(2)), (share(80, 155, 4), busy(4))];
    let alone = vec![(share(340, 0, 4), busy(4))];
    for (threads, members) in [(2, beside_capped), (4, alone)] {
        let mut simulation = Simulation::new(threads, &members);
        simulation.run(2 * HZ);
        for vcpus in &simulation.partitions {
            let ran: Vec<u64> = vcpus.iter().map(|vcpu| vcpu.ran).collect();
            let (least, most) = (ran.iter().min().unwrap(), ran.iter().max().unwrap());
            assert!(most - least <= 4 * TIMING.most_slice, "{ran:?}");
        }
    }
}

/// One that wakes comes before those that never wait, but by one slice and not by all that it did not want; one that yields
/// lets each of the others run, though it has had less.
#[test]
fn neither_sleep_nor_yielding_is_saved_up() {
    let mut simulation =
        Simulation::new(1, &[(share(100, 0, 2), vec![Habit::Busy, Habit::Asleep])]);
    simulation.run(HZ);
    let mut pool = simulation.pool;
    let mut now = simulation.now;
    pool.stop(0, now, Stop::Ready);
    pool.wake(id(0, 1), now);
    let mut ran = vec![];
    for _ in 0..6 {
        let Choice::Run(chosen) = pool.choose(0, now) else {
            panic!("both are ready")
        };
        ran.push(chosen.id.vcpu);
        now = chosen.until;
        pool.stop(0, now, Stop::Ready);
    }
    assert!(
        ran.iter().filter(|&&vcpu| vcpu == 0).count() >= 2,
        "{ran:?}"
    );
    // The other has had more by then, or as much.
    ran.clear();
    for _ in 0..6 {
        let Choice::Run(chosen) = pool.choose(0, now) else {
            panic!("both are ready")
        };
        ran.push(chosen.id.vcpu);
        let (ticks, why) = match chosen.id.vcpu {
            1 => (TIMING.least_charge, Stop::Yields),
            _ => (TIMING.most_slice, Stop::Ready),
        };
        now += ticks;
        pool.stop(0, now, why);
    }
    assert!(
        ran.iter().filter(|&&vcpu| vcpu == 0).count() >= 3,
        "{ran:?}"
    );
}

#[test]
fn eight_equal_partitions_on_two_threads_have_a_quarter_each() {
    let member = (share(25, 0, 1), vec![Habit::Busy]);
    let mut simulation = Simulation::new(2, &vec![member; 8]);
    simulation.run(10 * HZ);
    for index in 0..8 {
        let ran = simulation.ran(index);
        assert!(ran.abs_diff(10 * HZ / 4) < HZ / 100, "{index}: {ran}");
    }
}

#[test]
fn a_capped_partition_alone_leaves_the_thread_idle_for_the_rest() {
    let mut simulation = Simulation::new(1, &[(share(30, 0, 1), vec![Habit::Busy])]);
    simulation.run(HZ);
    assert!(simulation.ran(0).abs_diff(3 * HZ / 10) <= slack(30, 1));
    let idle = simulation.pool.idle_ticks(HZ);
    assert!(idle.abs_diff(7 * HZ / 10) <= slack(30, 1), "{idle}");
    // It waited for its entitlement, not for the thread.
    let waited = &simulation.partitions[0][0].waited;
    let sum = |part: fn(&crate::Waited) -> u64| waited.iter().map(part).sum::<u64>();
    assert!(sum(|w| w.until_entitled) > 6 * HZ / 10);
    assert!(sum(|w| w.until_dispatched) < HZ / 100);
}

#[test]
fn an_uncapped_partition_alone_has_everything() {
    let mut simulation = Simulation::new(2, &[(share(10, 1, 2), vec![Habit::Busy; 2])]);
    simulation.run(HZ);
    // What runs still is not counted yet.
    assert!(simulation.ran(0) >= 2 * (HZ - TIMING.most_slice));
    assert_eq!(simulation.pool.idle_ticks(HZ), 0);
}

#[test]
fn pools_that_promise_too_much_or_too_little_are_not_made() {
    let new = |threads, shares: &[Share]| Pool::new(threads, shares, TIMING, 0).map(|_| ());
    let entitlement = Err(ShareError::Entitlement { partition: 1 });
    for bad in [
        share(4, 0, 1),
        share(101, 0, 1),
        share(9, 9, 2),
        share(0, 0, 0),
    ] {
        assert_eq!(new(4, &[share(5, 0, 1), bad]), entitlement, "{bad:?}");
    }
    let over = ShareError::Overcommitted {
        entitlement: 201,
        capacity: 200,
    };
    let shares = [share(100, 0, 1), share(96, 0, 1), share(5, 0, 1)];
    assert_eq!(new(2, &shares), Err(over));
    assert_eq!(new(3, &shares), Ok(()));
    assert_eq!(new(0, &[]), Ok(()));
    assert_eq!(
        over.to_string(),
        "the partitions are entitled to 201 hundredths of a processor, the pool has 200"
    );
}

/// A pool of one thread and one partition of two virtual processors, the first of which runs.
fn pair() -> Pool {
    let mut pool = Pool::new(1, &[share(100, 0, 2)], TIMING, 0).unwrap();
    assert_eq!(pool.wake(id(0, 0), 0), None);
    assert_eq!(running(pool.choose(0, 0)), Some(id(0, 0)));
    pool
}

fn running(choice: Choice) -> Option<VcpuId> {
    match choice {
        Choice::Run(dispatch) => Some(dispatch.id),
        Choice::Idle { .. } => None,
    }
}

#[test]
fn one_that_is_woken_while_it_runs_does_not_wait() {
    let mut pool = pair();
    assert_eq!(pool.wake(id(0, 0), 10), None);
    pool.stop(0, 20, Stop::Waiting { until: None });
    assert_eq!(running(pool.choose(0, 20)), Some(id(0, 0)));
    // Once only.
    pool.stop(0, 30, Stop::Waiting { until: None });
    assert_eq!(pool.choose(0, 30), Choice::Idle { until: None });
}

#[test]
fn one_that_waits_for_a_time_wakes_by_itself() {
    let mut pool = pair();
    pool.stop(0, 10, Stop::Waiting { until: Some(5000) });
    assert_eq!(pool.choose(0, 20), Choice::Idle { until: Some(5000) });
    assert_eq!(pool.choose(0, 4999), Choice::Idle { until: Some(5000) });
    let Choice::Run(dispatch) = pool.choose(0, 5100) else {
        panic!("it is time");
    };
    assert_eq!(dispatch.id, id(0, 0));
    assert_eq!(dispatch.waited.until_ready, 5090);
    assert_eq!(pool.idle_ticks(6000), 5080);
}

#[test]
fn a_slice_ends_when_another_wakes_by_itself_but_not_at_once() {
    let mut pool = pair();
    pool.wake(id(0, 1), 0);
    pool.stop(0, 10, Stop::Waiting { until: Some(900) });
    let Choice::Run(dispatch) = pool.choose(0, 10) else {
        panic!("one is ready");
    };
    assert_eq!((dispatch.id, dispatch.until), (id(0, 1), 900));
    pool.stop(0, 20, Stop::Ready);
    let Choice::Run(dispatch) = pool.choose(0, 800) else {
        panic!("one is ready");
    };
    assert_eq!(dispatch.until, 800 + TIMING.least_slice);
}

#[test]
fn conferring_gives_the_rest_of_the_time_to_one_that_is_ready() {
    let mut pool = pair();
    pool.wake(id(0, 1), 0);
    let Choice::Run(dispatch) = pool.confer(0, 1, 500) else {
        panic!("it is ready");
    };
    assert_eq!((dispatch.id, dispatch.until), (id(0, 1), TIMING.most_slice));
    assert_eq!(dispatch.waited.until_dispatched, 500);
    assert!(dispatch.conferred);
    // The other one is ready still; one that does not exist, or itself, gets nothing.
    for to in [7, 0] {
        let mut pool = pair();
        assert_eq!(running(pool.confer(0, to, 500)), Some(id(0, 0)), "{to}");
    }
    // Nor does one that waits.
    let mut pool = pair();
    assert_eq!(running(pool.confer(0, 1, 500)), Some(id(0, 0)));
}

#[test]
fn waking_calls_an_idle_thread_then_the_weakest_claim_then_nobody() {
    let shares = [share(50, 10, 3), share(50, 0, 1), share(50, 0, 1)];
    let mut pool = Pool::new(2, &shares, TIMING, 0).unwrap();
    assert_eq!(pool.choose(0, 0), Choice::Idle { until: None });
    assert_eq!(pool.choose(1, 0), Choice::Idle { until: None });
    assert_eq!(pool.wake(id(0, 0), 0), Some(0));
    assert_eq!(pool.wake(id(0, 1), 0), Some(1));
    assert_eq!(pool.wake(id(0, 2), 0), None);
    // The first partition lives on what is left over by now; the second has been saving.
    let mut now = 0;
    for _ in 0..80 {
        for thread in [0, 1] {
            pool.stop(thread, now, Stop::Ready);
            assert_eq!(
                running(pool.choose(thread, now)).map(|id| id.partition),
                Some(0)
            );
        }
        now += MS;
    }
    let called = pool.wake(id(1, 0), now).expect("it has a better claim");
    // The same thread is not called twice.
    assert_eq!(pool.wake(id(2, 0), now), Some(1 - called));
    pool.stop(called, now, Stop::Ready);
    assert_eq!(running(pool.choose(called, now)), Some(id(1, 0)));
    assert_eq!(pool.thread_of(id(1, 0)), Some(called));
    assert_eq!(pool.call_idle(), None);
}

#[test]
fn calls_for_what_does_not_exist_change_nothing() {
    let mut pool = pair();
    assert_eq!(pool.wake(id(1, 0), 5), None);
    assert_eq!(pool.wake(id(0, 2), 5), None);
    pool.stop(7, 5, Stop::Ready);
    assert_eq!(pool.thread_of(id(0, 0)), Some(0));
    assert_eq!(pool.thread_of(id(0, 1)), None);
    assert_eq!(pool.threads(), 1);
}

#[test]
fn what_is_overdrawn_is_paid_back() {
    // A thread that is kept for 30 ms at a stretch: the account still averages out.
    let mut pool = Pool::new(1, &[share(50, 0, 1)], TIMING, 0).unwrap();
    pool.wake(id(0, 0), 0);
    let (mut now, mut ran) = (0, 0);
    while now < 10 * HZ {
        now = match pool.choose(0, now) {
            Choice::Run(_) => {
                pool.stop(0, now + 30 * MS, Stop::Ready);
                ran += 30 * MS;
                now + 30 * MS
            }
            Choice::Idle { until } => until.expect("it recovers"),
        };
    }
    assert!(ran.abs_diff(5 * HZ) < HZ / 10, "{ran}");
}
