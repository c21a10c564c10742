using System.Net.Sockets;
using SafeAmqp.Actor;
using SafeAmqp.Telemetry;
using SafeAmqp.Transport;

namespace SafeAmqp.Owner;

/// <summary>The shell around an actor: the one thread that owns its link. It waits for its mailbox and its sockets at
/// once, receives, drains the mailbox in batches and feeds the actor. It never waits for the broker alone.</summary>
internal sealed class IoThread
{
    /// <summary>The most messages that are handled before the actor is advanced: large enough to join acks and writes,
    /// small enough to answer soon.</summary>
    private const int Batch = 256;

    /// <summary>So few messages, and answers to come, belong to a lone caller, whose next message should be handled
    /// soon. More come in batches, and then the thread may sleep.</summary>
    private const int Few = 2;

    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly Mailbox _mailbox = new();
    private readonly ContinuationBatch _continuations;
    private readonly Thread _thread;
    private readonly LinkEvents _events;
    private readonly Func<long, long> _onTime;
    private readonly List<LinkStream> _inbound = []; // more than one while an abandoned connection is being closed
    private readonly List<Socket> _awaited = [];
    private readonly Queue<BrokerSignal> _arrived = new();
    private int _owner;
    private int _started;
    private long _begunAt = ActorTime.Never;
    private long _idle; // ticks spent in finished waits
    private long _idleSince = ActorTime.Never;

    /// <param name="name">The thread's name.</param>
    /// <param name="clock">The client's clock.</param>
    /// <param name="events">Where it reports.</param>
    /// <param name="onTime">Other deadlines that must hold even when the thread pool is starved: called with the time,
    /// answers when to be called again.</param>
    internal IoThread(string name, MonotonicClock clock, LinkEvents events, Func<long, long> onTime)
    {
        Clock = clock;
        _continuations = new ContinuationBatch(_mailbox, new ContinuationThread($"{name}:continuations"));
        _events = events;
        _onTime = onTime;
        _thread = new Thread(Run) { Name = name, IsBackground = true };
    }

    internal MonotonicClock Clock { get; }

    /// <summary>Where it reports.</summary>
    internal LinkEvents Events => _events;

    /// <summary>Set once, before the start.</summary>
    internal ConnectionActor Actor { get; set; } = null!;

    internal void Start()
    {
        if (Interlocked.Exchange(ref _started, 1) == 0)
            _thread.UnsafeStart(); // this thread does not inherit the first caller's context
    }

    /// <summary>How long the thread has been working: its lifetime without its waits. May be read by any
    /// thread.</summary>
    internal TimeSpan Busy
    {
        get
        {
            long begun = Volatile.Read(ref _begunAt), now = Clock.Now;
            if (begun == ActorTime.Never)
                return TimeSpan.Zero;
            long idle = Volatile.Read(ref _idle), since = Volatile.Read(ref _idleSince);
            return TimeSpan.FromTicks(Math.Max(0, now - begun - idle - (since == ActorTime.Never ? 0 : now - since)));
        }
    }

    /// <summary>Posts a message, from any thread.</summary>
    /// <returns>False when the thread has ended: the message was not taken.</returns>
    internal bool Post(IActorMessage message)
    {
        if (!_mailbox.Post(message))
            return false;
        if (_mailbox.IsClosed)
            AbandonLeftovers(); // it may have been enqueued after the last check
        return true;
    }

    /// <summary>Posts a command, or ends it at once when the thread has ended.</summary>
    internal void PostOrAbandon(IActorMessage command)
    {
        if (!Post(command))
            command.Abandon(Actor);
    }

    /// <summary>Makes the thread look at <c>onTime</c> again.</summary>
    internal void Wake() => _mailbox.Wake();

    /// <summary>Throws unless called on the owner's thread. Checked in every build: two threads on one channel corrupt
    /// it silently.</summary>
    internal void AssertOwner()
    {
        if (Environment.CurrentManagedThreadId != _owner)
            throw new InvalidOperationException(
                $"The link of {_thread.Name} was used by thread {Environment.CurrentManagedThreadId}. This is a bug "
                    + $"in SafeAmqp.");
    }

    /// <summary>Receives from a stream from now on, until it has ended.</summary>
    internal void Attach(LinkStream inbound)
    {
        AssertOwner();
        inbound.Begin(Wake);
        _inbound.Add(inbound);
    }

    /// <summary>Queues a signal that was decoded while receiving.</summary>
    internal void Arrive(BrokerSignal signal) => _arrived.Enqueue(signal);

    private void Run()
    {
        _owner = Environment.CurrentManagedThreadId;
        Volatile.Write(ref _begunAt, Clock.Now);
        _continuations.Attach();
        _events.ThreadStarted(_thread.Name!);
        try
        {
            int last = 0;
            while (!Actor.IsClosed)
            {
                int handled = Receive() + HandleBatch();
                long now = Clock.Now;
                Actor.Advance(now);
                // Before the send, which takes longer than waking a caller
                long next = Math.Min(Math.Min(Actor.NextWake, _onTime(now)),
                    _continuations.HandOut(now, Actor.Unanswered <= Few));
                Actor.Flush();
                if (handled == 0 && next > now)
                    Wait(now, next - now, spinFirst: last <= Few && Actor.Unanswered <= Few);
                else
                    last = handled;
            }
        }
        catch (Exception error)
        {
            _events.ThreadCrashed(error);
            EndAfterCrash(error);
        }
        finally
        {
            // Closed first, then emptied: a writer that enqueues in between empties it as well.
            _mailbox.Close();
            AbandonLeftovers();
            _continuations.Detach();
            ReceiveToTheEnd();
            _mailbox.Dispose();
        }
    }

    private void Wait(long now, long ticks, bool spinFirst)
    {
        Volatile.Write(ref _idleSince, now);
        _mailbox.Wait(WaitFor(ticks), spinFirst, Awaited());
        Volatile.Write(ref _idleSince, ActorTime.Never);
        Volatile.Write(ref _idle, _idle + Clock.Now - now);
    }

    private int HandleBatch()
    {
        int handled = 0;
        long now = Clock.Now;
        while (handled < Batch && _mailbox.TryTake(out IActorMessage message))
        {
            handled++;
            if (message is ShellStep step)
                step.Run();
            else
                Actor.Handle(message, now);
        }
        return handled;
    }

    // Data is received by the thread that waits for it, so that an answer does not have to wake a second thread.
    // Signals are handled after all received data has been decoded: an exception while decoding is the peer's fault and
    // ends its connection; one in the actor is a bug of ours.
    /// <returns>How many streams had data.</returns>
    private int Receive()
    {
        int received = ReceiveBytes();
        long now = Clock.Now;
        while (_arrived.TryDequeue(out BrokerSignal? signal))
            Actor.Handle(signal, now);
        return received;
    }

    private int ReceiveBytes()
    {
        int received = 0;
        for (int i = _inbound.Count - 1; i >= 0; i--)
        {
            if (_inbound[i].Receive())
                received++;
            if (_inbound[i].HasEnded)
                _inbound.RemoveAt(i);
        }
        return received;
    }

    // RabbitMQ.Client's close waits for the broker's close-ok. All other frames are dropped by now.
    private void ReceiveToTheEnd()
    {
        while (_inbound.Count > 0)
        {
            if (ReceiveBytes() == 0 && _inbound.Count > 0)
                _mailbox.Wait(LongestWait, spinFirst: false, Awaited());
            _arrived.Clear();
        }
    }

    private List<Socket> Awaited()
    {
        _awaited.Clear();
        foreach (LinkStream inbound in _inbound)
        {
            if (inbound.Awaited is { } socket)
                _awaited.Add(socket);
        }
        return _awaited;
    }

    // The bug may break the ending as well, which must not end the process.
    private void EndAfterCrash(Exception error)
    {
        try
        {
            Actor.Crash(error);
        }
        catch (Exception second)
        {
            _events.ThreadCrashed(second);
        }
    }

    private void AbandonLeftovers()
    {
        while (_mailbox.TryTake(out IActorMessage message))
            message.Abandon(Actor);
    }

    // Whole milliseconds, rounded up: the wait itself rounds down, and would return at once until the time has come.
    private static TimeSpan WaitFor(long ticks)
        => ticks >= LongestWait.Ticks ? LongestWait
            : TimeSpan.FromMilliseconds((ticks + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond);
}

/// <summary>A step of a conversation with RabbitMQ.Client that must continue on the I/O thread. The actor never sees
/// it.</summary>
internal sealed class ShellStep(Action step) : IActorMessage
{
    internal void Run() => step();
}

/// <summary>Monotonic time in ticks of <see cref="TimeSpan"/> since the client was created, independent of the wall
/// clock.</summary>
internal sealed class MonotonicClock(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();

    internal long Now => time.GetElapsedTime(_start).Ticks;

    /// <summary>The time after an interval from now.</summary>
    internal long In(TimeSpan fromNow) => Now + fromNow.Ticks;

    /// <summary>The time of one of the provider's timestamps.</summary>
    internal long At(long timestamp) => time.GetElapsedTime(_start, timestamp).Ticks;

    internal TimeProvider Time => time;
}
