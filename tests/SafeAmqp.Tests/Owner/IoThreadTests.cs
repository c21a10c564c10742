// Every wait here is bounded by itself.
#pragma warning disable xUnit1051
using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Links;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;
using SafeAmqp.Tests.Actor;
using SafeAmqp.Tests.Transport;
using SafeAmqp.Topology;
using SafeAmqp.Transport;

namespace SafeAmqp.Tests.Owner;

public sealed class IoThreadTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    private readonly FakeLink _link = new();
    private readonly IoThread _thread = NewThread();

    [Fact]
    public async Task The_thread_handles_commands_and_ends_with_the_close()
    {
        Use(_link);
        _thread.Start();
        _thread.Start();
        _thread.PostOrAbandon(new ActorCommand.Start());
        await Close();
        Assert.Equal([1], _link.Connects);

        var late = new Completion<bool>();
        while (_thread.Post(new ActorCommand.Start())) // until the thread has closed its mailbox
            await Task.Yield();
        _thread.PostOrAbandon(new ActorCommand.WaitOpen(FailFast: false, late));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => late.Task.AsTask().WaitAsync(Long));
    }

    [Fact]
    public async Task A_bug_ends_what_waits_and_what_comes_later_and_not_the_process()
    {
        Use(new BrokenLink());
        var waiting = new Completion<bool>();
        _thread.PostOrAbandon(new ActorCommand.WaitOpen(FailFast: false, waiting));
        _thread.PostOrAbandon(new ActorCommand.Start());
        _thread.Start();
        var error = await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.Task.AsTask().WaitAsync(Long));
        Assert.Contains("bug in SafeAmqp", error.Message, StringComparison.Ordinal);
        await Close();
    }

    [Fact]
    public async Task Only_the_owner_may_touch_the_link()
    {
        Use(_link);
        Assert.Throws<InvalidOperationException>(_thread.AssertOwner);
        var asked = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _thread.Start();
        _thread.Post(new ShellStep(() => asked.SetResult(Record.Exception(_thread.AssertOwner))));
        Assert.Null(await asked.Task.WaitAsync(Long));
        Assert.Throws<InvalidOperationException>(_thread.AssertOwner);
        await Close();
    }

    [Fact]
    public async Task Commands_that_race_with_the_close_all_end()
    {
        for (int round = 0; round < 50; round++)
        {
            IoThread thread = NewThread();
            thread.Actor = NewActor(_link);
            thread.Start();
            var waits = new Completion<bool>[200];
            var poster = Task.Run(() =>
            {
                for (int i = 0; i < waits.Length; i++)
                    thread.PostOrAbandon(new ActorCommand.WaitOpen(FailFast: false, waits[i] = new Completion<bool>()));
            });
            thread.PostOrAbandon(new ActorCommand.Close(0, new Completion<bool>()));
            await poster;
            foreach (Completion<bool> wait in waits)
                await Assert.ThrowsAsync<ObjectDisposedException>(() => wait.Task.AsTask().WaitAsync(Long));
        }
    }

    [Fact]
    public async Task What_is_attached_is_received_from_until_it_has_ended_even_when_the_link_is_closed()
    {
        Use(_link);
        _thread.Start();
        (Socket ours, Socket peer) = await Wires.PairAsync();
        var inbound = new CountingStream(ours);
        _thread.Post(new ShellStep(() => _thread.Attach(inbound)));
        await peer.SendAsync(new byte[3]);
        Assert.True(SpinWait.SpinUntil(() => inbound.Taken == 3, Long));
        await Close();
        await peer.SendAsync(new byte[2]); // a goodbye, say
        Assert.True(SpinWait.SpinUntil(() => inbound.Taken == 5, Long));
        Assert.Single(inbound.Threads.Distinct());
        inbound.Abandon(new TimeoutException());
        int calls = inbound.Threads.Count; // at most one more
        Assert.False(SpinWait.SpinUntil(() => inbound.Threads.Count > calls + 1, TimeSpan.FromMilliseconds(50)));
        peer.Dispose();
        ours.Dispose();
    }

    private sealed class CountingStream(Socket socket) : LinkStream(socket, tls: null, TimeProvider.System, _ => { })
    {
        private readonly byte[] _room = new byte[10];
        private int _received;

        internal int Taken => Volatile.Read(ref _received);

        internal ConcurrentBag<int> Threads { get; } = [];

        protected override Memory<byte> Room => _room;

        internal override bool Receive()
        {
            Threads.Add(Environment.CurrentManagedThreadId);
            return base.Receive();
        }

        protected override void Received(int count) => Interlocked.Add(ref _received, count);
    }

    private static IoThread NewThread()
        => new("test", new MonotonicClock(TimeProvider.System), new LinkEvents(NullLogger.Instance, "test", "test"),
            _ => ActorTime.Never);

    private static LinkActor NewActor(IBrokerLink link)
        => new(new ActorSettings { Name = "test" }, link, new TopologyLedger(),
            new LinkEvents(NullLogger.Instance, "test", "test"), () => 0.5, () => new AmqpClientStatus([]));

    private void Use(IBrokerLink link) => _thread.Actor = NewActor(link);

    private async Task Close()
    {
        var closed = new Completion<bool>();
        _thread.PostOrAbandon(new ActorCommand.Close(0, closed));
        await closed.Task.AsTask().WaitAsync(Long);
    }

    private sealed class BrokenLink : IBrokerLink
    {
        public string Connect(int epoch, TimeSpan within) => throw new InvalidOperationException("broken");
        public void Abandon(int epoch, bool politely) => throw new InvalidOperationException("broken, too");
        public void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch)
            => throw new InvalidOperationException();
        public void CloseChannel(long incarnation) => throw new InvalidOperationException();
        public PassResult Publish(long incarnation, in Outgoing message, int slot, out string? refusal)
            => throw new InvalidOperationException();
        public void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement)
            => throw new InvalidOperationException();
        public void Ask(long incarnation, AdminRequest request) => throw new InvalidOperationException();
        public void Consume(long incarnation, ConsumeRequest request) => throw new InvalidOperationException();
        public void CancelConsumer(long incarnation) => throw new InvalidOperationException();
        public void Get(long incarnation, string queue) => throw new InvalidOperationException();

        public void Confirm(long incarnation) => throw new NotSupportedException();
        public void Flush()
        {
        }

        public LinkTraffic Traffic(int epoch) => default;
    }
}
