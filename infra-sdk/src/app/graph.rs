//! The order of tasks: what has to run for a request, in which order, and cycles.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use crate::app::node::Node;

/// The tasks a request needs, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// In an order that one worker would run them: what is ready runs in the order of registration.
    pub(crate) order: Vec<u32>,
    /// What was asked for by name, in the order of the command line.
    pub(crate) requested: Vec<u32>,
    asked: HashSet<u32>,
}

impl Plan {
    /// The plan for `requested`, in a graph without cycles.
    pub(crate) fn new(nodes: &[Node], requested: &[u32]) -> Self {
        let mut wanted = vec![false; nodes.len()];
        let mut open: Vec<u32> = requested.to_vec();
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut wanted[index as usize], true) {
                let node = &nodes[index as usize];
                open.extend(node.needs.iter().chain(&node.after));
            }
        }
        let all: Vec<u32> = (0..nodes.len() as u32).filter(|index| wanted[*index as usize]).collect();
        let mut queue = Queue::new(nodes, &all);
        let mut order = Vec::with_capacity(all.len());
        while let Some(index) = queue.pop() {
            order.push(index);
            queue.done(index);
        }
        let mut asked = HashSet::new();
        let requested = requested.iter().copied().filter(|index| asked.insert(*index)).collect();
        Plan { order, requested, asked }
    }

    /// Whether a task was asked for by name.
    pub(crate) fn is_requested(&self, index: u32) -> bool {
        self.asked.contains(&index)
    }
}

/// A cycle among all tasks, if there is one: each waits for the next, the last for the first.
pub(crate) fn cycle(nodes: &[Node]) -> Option<Vec<u32>> {
    let all: Vec<u32> = (0..nodes.len() as u32).collect();
    let mut queue = Queue::new(nodes, &all);
    let mut ended = vec![false; nodes.len()];
    while let Some(index) = queue.pop() {
        ended[index as usize] = true;
        queue.done(index);
    }
    // What never got ready waits for something that never got ready either, so
    // walking along that must come back to where it was.
    let stuck = |index: &u32| !ended[*index as usize];
    let mut path = vec![all.into_iter().find(stuck)?];
    loop {
        let last = &nodes[path[path.len() - 1] as usize];
        let next = last.needs.iter().chain(&last.after).copied().find(stuck)?;
        if let Some(start) = path.iter().position(|index| *index == next) {
            return Some(path.split_off(start));
        }
        path.push(next);
    }
}

/// The tasks that are ready to start, first registered first.
pub(crate) struct Queue {
    ready: BinaryHeap<Reverse<u32>>,
    waiting_for: Vec<u32>,
    dependents: Vec<Vec<u32>>,
}

impl Queue {
    /// A queue of the tasks `which`, whose dependencies are all among them.
    pub(crate) fn new(nodes: &[Node], which: &[u32]) -> Self {
        let mut queue = Queue {
            ready: BinaryHeap::with_capacity(which.len()),
            waiting_for: vec![0; nodes.len()],
            dependents: vec![Vec::new(); nodes.len()],
        };
        for &index in which {
            let dependencies = nodes[index as usize].dependencies();
            if dependencies.is_empty() {
                queue.ready.push(Reverse(index));
            }
            queue.waiting_for[index as usize] = dependencies.len() as u32;
            for dependency in dependencies {
                queue.dependents[dependency as usize].push(index);
            }
        }
        queue
    }

    /// Takes the next task that is ready.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        self.ready.pop().map(|Reverse(index)| index)
    }

    /// Tells that a task is done, which may make others ready.
    pub(crate) fn done(&mut self, index: u32) {
        for dependent in std::mem::take(&mut self.dependents[index as usize]) {
            let left = &mut self.waiting_for[dependent as usize];
            *left -= 1;
            if *left == 0 {
                self.ready.push(Reverse(dependent));
            }
        }
    }
}
