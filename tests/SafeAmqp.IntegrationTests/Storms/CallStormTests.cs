using SafeAmqp.Testing;

namespace SafeAmqp.IntegrationTests.Storms;

// Callers and servers, both ends the library, while links are cut, the broker blocks and servers come and go.
public sealed class CallStormTests(TestBroker broker) : FaultTest(broker)
{
    private const int Servers = 3, Prefetch = 40, TasksEach = 4, InFlight = 12;

    /// <summary>How many calls have to end in each way.</summary>
    private static readonly int AtLeast = 100 * Volume;

    private static readonly TimeSpan StormLimit = TimeSpan.FromSeconds(60) * Volume;

    private const CallEnding OnAnyLink = CallEnding.NotSent | CallEnding.Unknown;

    [Theory, InlineData(AmqpConnectionLayout.Separate), InlineData(AmqpConnectionLayout.Shared)]
    public async Task Whatever_happens_each_call_ends_once_and_true_and_no_server_handles_what_was_not_sent(
        AmqpConnectionLayout layout)
    {
        int seed = Environment.TickCount;
        await using var storm = new Storm(this, layout, seed);
        await storm.BeginAsync();
        var random = new Random(seed);
        long start = TimeProvider.System.GetTimestamp();
        int rounds = 0;
        do
        {
            Func<Task>[] faults = storm.Faults();
            random.Shuffle(faults);
            foreach (Func<Task> fault in faults)
            {
                await fault();
                await storm.GoesOnAsync();
            }
            rounds++;
        }
        while (!storm.HasEnough && TimeProvider.System.GetElapsedTime(start) < StormLimit);
        await storm.EndAsync();
        string summary = $"{storm.History}; {rounds} rounds, {storm.Losses} channels of servers lost, seed {seed}";
        TestContext.Current.TestOutputHelper?.WriteLine(summary);
        IReadOnlyList<Violation> found = storm.History.Violations(storm.Losses, Prefetch);
        Assert.True(found.Count == 0,
            $"{found.Count} violations, the first: {string.Join("; ", found.Take(5))}. {summary}");
        Assert.True(storm.HasEnough, summary);
    }

    /// <summary>Three callers, each with another kind of reply address, and three servers.</summary>
    private sealed class Storm(CallStormTests test, AmqpConnectionLayout layout, int seed) : IAsyncDisposable
    {
        private const int ToFixedQueue = 2;
        private const string BadReply = "bad reply";

        private readonly FaultProxy _toCallers = test.NewProxy(), _toServers = test.NewProxy();
        private readonly CancellationTokenSource _stop = new();
        private readonly Random _random = new(seed);
        private readonly AmqpClient[] _callers = new AmqpClient[3], _servers = new AmqpClient[Servers];
        private readonly AmqpSubscription[] _serving = new AmqpSubscription[Servers];
        private readonly List<FaultScript> _scripts = [];
        private readonly string _queue = test.NewName(), _full = test.NewName(), _missing = test.NewName();
        private Task _calls = Task.CompletedTask;
        private readonly int[] _answered = new int[3];
        private int _stops, _badReplies, _wantsBadReply, _wantsBadRequest;

        internal CallHistory History { get; } = new();

        /// <summary>How often what a server had unsettled went back to the queue.</summary>
        internal int Losses => _stops + _badReplies + _servers.Sum(server => server.Status.Links[0].Epoch - 1);

        internal bool HasEnough => Array.TrueForAll((CallEnding[])[CallEnding.Answered, CallEnding.Returned,
            CallEnding.Nacked, CallEnding.Refused, CallEnding.NotSent, CallEnding.Unknown],
            ending => History.Count(ending) >= AtLeast);

        private AmqpTestBroker? Embedded => (test.Broker.Node as EmbeddedControl)?.Embedded;

        internal async Task BeginAsync()
        {
            string replies = test.NewName(), serverName = $"server-{Guid.NewGuid():N}";
            AmqpClient setUp = await test.ConnectAsync();
            await setUp.DeclareAsync(new AmqpTopology().Queue(_queue).Queue(replies)
                .With(new AmqpQueue { Name = _full, MaxLength = 1, Overflow = AmqpOverflow.RejectPublish }), Cancelled);
            await setUp.PublishAsync(AmqpMessage.ToQueue(_full, []), Cancelled);
            for (int i = 0; i < Servers; i++)
            {
                _servers[i] = await ConnectAsync(_toServers, $"{serverName}-{i}");
                _serving[i] = await ServeAsync(i);
            }
            AmqpReplyAddress[] addresses = [
                AmqpReplyAddress.Exclusive, AmqpReplyAddress.Direct, AmqpReplyAddress.Queue(replies)];
            for (int i = 0; i < _callers.Length; i++)
                _callers[i] = await ConnectAsync(_toCallers, $"caller-{i}");
            if (Embedded is { } embedded)
            {
                _scripts.Add(embedded.Script(Requests().EveryNth(100, seed), FaultAction.Nack()));
                _scripts.Add(embedded.Script(Requests().EveryNth(110, seed + 1), FaultAction.Return()));
                _scripts.Add(embedded.Script(FaultTrigger.Ack().EveryNth(700, seed)
                    .Where(ack => ack.Connection.StartsWith(serverName, StringComparison.Ordinal)),
                    FaultAction.Reset())); // between reply and acknowledgement
            }
            _calls = Task.WhenAll(Enumerable.Range(0, _callers.Length * TasksEach).Select(task => Task.Run(
                () => CallAsync(task, task % _callers.Length, addresses[task % _callers.Length],
                    isHasty: task / _callers.Length == 0))));
            await GoesOnAsync();
        }

        /// <summary>What happens in each round, in any order.</summary>
        internal Func<Task>[] Faults() => [
            LoseWhatIsUnconfirmedAsync, LoseWhatIsUnconfirmedAsync, () => Done(() => _toCallers.Reset()),
            () => CutAsync(_toCallers.ToBroker), () => CutAsync(_toCallers.ToClient),
            KeepCallersAwayAsync, () => Done(() => _toServers.Reset()),
            () => CutAsync(_toServers.ToBroker), () => CutAsync(_toServers.ToClient),
            KeepServersAwayAsync, RestartServerAsync, RefuseReplyAsync, RefuseRequestAsync, BlockAsync];

        /// <summary>Waits until the calls of each caller are answered again.</summary>
        internal async Task GoesOnAsync()
        {
            int[] before = [.. _answered];
            for (int i = 0; i < before.Length; i++)
                await UntilAsync(() => Volatile.Read(ref _answered[i]) > before[i] + 30,
                    $"30 more of caller {i} answered; {History}; seed {seed}");
        }

        /// <summary>Ends the load and looks at what is left.</summary>
        internal async Task EndAsync()
        {
            _scripts.ForEach(script => script.Dispose());
            await _stop.CancelAsync();
            await _calls.WaitAsync(Limit, Cancelled);
            await UntilAsync(() => test.MessagesInAsync(_queue), messages => messages == 0);
            foreach (AmqpClient server in _servers)
                await UntilAsync(() => server.Status.Links[0].Consumers.Single() is { Unsettled: 0 });
            Assert.Equal(1, await test.MessagesInAsync(_full));
            foreach (var (caller, index) in _callers.Select((caller, index) => (caller, index)))
            {
                await UntilAsync(() => caller.Status.Links[0]
                    is { State: AmqpLinkState.Open, PendingCalls: 0, QueuedMessages: 0, UnconfirmedMessages: 0 });
                if (index == ToFixedQueue)
                    continue; // a reply that was read and not acknowledged before its link was lost comes again
                long late = caller.Status.Links[0].LateReplies;
                int most = History.MostLateReplies(task => task % _callers.Length == index);
                Assert.True(late <= most, $"caller {index}: {late} late replies, at most {most} can be");
            }
        }

        public async ValueTask DisposeAsync()
        {
            _scripts.ForEach(script => script.Dispose());
            await _stop.CancelAsync();
            foreach (AmqpClient? caller in _callers)
                if (caller is not null)
                    await caller.DisposeAsync();
            await _calls.WaitAsync(Limit, CancellationToken.None);
            _stop.Dispose();
        }

        private Task<AmqpClient> ConnectAsync(FaultProxy proxy, string name) => test.ConnectAsync(options =>
        {
            (options.Uri, options.ClientName, options.Layout) = (proxy.Uri, name, layout);
            (options.ReconnectDelay, options.MaxReconnectDelay) =
                (TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(100));
        });

        private FaultTrigger Requests() => FaultTrigger.Publish().Where(moment => moment.RoutingKey == _queue);

        private async Task<AmqpSubscription> ServeAsync(int server) => await _servers[server].ServeAsync(
            _queue, HandleAsync,
            new AmqpServeOptions { Consumer = new AmqpConsumerOptions { Prefetch = Prefetch, Concurrency = 4 } },
            Cancelled);

        private async ValueTask<AmqpMessage> HandleAsync(AmqpDelivery request, CancellationToken abandoned)
        {
            History.Received(request.Body.Span, request.IsRedelivered);
            if (request.Body.Span[4] % 8 == 0) // of the number
                await Task.Delay(1, abandoned);
            var reply = new AmqpMessage { Body = request.Body };
            switch (request.Message.Type)
            {
                case "throws":
                    throw new FormatException("not a number");
                case BadReply:
                    Interlocked.Increment(ref _badReplies);
                    return reply with { UserId = "somebody" }; // 406, and the channel is closed
                default:
                    return reply;
            }
        }

        private async Task CallAsync(int task, int caller, AmqpReplyAddress address, bool isHasty)
        {
            var random = new Random(seed + task);
            var inFlight = new Queue<Task>();
            for (int number = 0; !_stop.IsCancellationRequested; number++)
            {
                // Where replies outlive the link a call whose request was lost waits to its end
                TimeSpan timeout = isHasty ? TimeSpan.FromMilliseconds(random.Next(20, 200))
                    : caller == ToFixedQueue ? TimeSpan.FromSeconds(2) : Limit;
                var options = new AmqpCallOptions { Timeout = timeout, ReplyTo = address };
                var (request, mayEnd) = Choose(random);
                byte[] body = History.Begin(task, number, mayEnd, mayTimeOut: timeout < Limit);
                inFlight.Enqueue(EndAsync(request with { Body = body }, options, number));
                if (inFlight.Count >= InFlight)
                    await inFlight.Dequeue();
            }
            await Task.WhenAll(inFlight);

            async Task EndAsync(AmqpMessage request, AmqpCallOptions options, int number)
            {
                CallEnding ending = await History.CallAsync(_callers[caller], request, options, task, number);
                if (ending == CallEnding.Answered)
                    Interlocked.Increment(ref _answered[caller]);
                else if (request.Type == BadReply && ending != CallEnding.Failed)
                    Volatile.Write(ref _wantsBadReply, 1); // it did not get there: another one has to
            }
        }

        private (AmqpMessage Request, CallEnding MayEnd) Choose(Random random)
        {
            if (Interlocked.Exchange(ref _wantsBadRequest, 0) == 1)
                return (AmqpMessage.ToQueue(_queue, []) with { UserId = "somebody" }, CallEnding.Refused | OnAnyLink);
            CallEnding whenReceived = OnAnyLink | CallEnding.NoReply
                | (Embedded is null ? CallEnding.None : CallEnding.Nacked | CallEnding.Returned);
            var request = AmqpMessage.ToQueue(_queue, []);
            if (Interlocked.Exchange(ref _wantsBadReply, 0) == 1)
                return (request with { Type = BadReply }, CallEnding.Failed | whenReceived);
            return random.Next(25) switch
            {
                0 or 1 => (AmqpMessage.ToQueue(_missing, []), CallEnding.Returned | OnAnyLink),
                2 or 3 => (AmqpMessage.ToQueue(_full, []), CallEnding.Nacked | OnAnyLink),
                4 or 5 => (AmqpMessage.ToExchange(_missing, "", []), CallEnding.Refused | OnAnyLink),
                6 => (request with { Type = "throws" }, CallEnding.Failed | whenReceived),
                _ => (request, CallEnding.Answered | whenReceived),
            };
        }

        // Nothing of what the broker says arrives, until enough is in flight; then it never will. A link that was lost
        // just before would wait for the broker's answer as well.
        private async Task LoseWhatIsUnconfirmedAsync()
        {
            _toCallers.ToClient.Paused = true;
            await UntilAsync(() => _callers.Sum(caller => caller.Status.Links[0].UnconfirmedMessages) >= 10
                || Array.Exists(_callers, caller => caller.Status.Links[0].State != AmqpLinkState.Open));
            _toCallers.Reset();
            _toCallers.ToClient.Paused = false;
        }

        private async Task KeepCallersAwayAsync()
        {
            int before = History.Count(CallEnding.NotSent);
            _toCallers.Refuse = true;
            _toCallers.Reset();
            await UntilAsync(() => History.Count(CallEnding.NotSent) > before + 50, $"50 more not sent; {History}");
            _toCallers.Refuse = false;
        }

        private async Task KeepServersAwayAsync()
        {
            _toServers.Refuse = true;
            _toServers.Reset();
            await UntilAsync(() => test.MessagesInAsync(_queue), messages => messages > 30);
            _toServers.Refuse = false;
        }

        // Wherever that is: also between a reply and its acknowledgement.
        private async Task CutAsync(FaultProxy.Flow flow)
        {
            flow.CutAfter(_random.Next(5_000));
            await UntilAsync(() => !flow.IsCutDue);
        }

        private async Task RestartServerAsync()
        {
            int server = _random.Next(Servers);
            await _serving[server].DisposeAsync().AsTask().WaitAsync(Limit, Cancelled);
            Interlocked.Increment(ref _stops);
            _serving[server] = await ServeAsync(server);
        }

        private async Task RefuseReplyAsync()
        {
            int before = Volatile.Read(ref _badReplies);
            Volatile.Write(ref _wantsBadReply, 1);
            await UntilAsync(() => Volatile.Read(ref _badReplies) > before);
        }

        private async Task RefuseRequestAsync()
        {
            Volatile.Write(ref _wantsBadRequest, 1);
            await UntilAsync(() => Volatile.Read(ref _wantsBadRequest) == 0);
        }

        private async Task BlockAsync()
        {
            int before = History.Count(CallEnding.NotSent);
            await test.RaiseAlarmAsync();
            await UntilAsync(() => Array.TrueForAll(_callers,
                caller => caller.Status.Links[0].BlockedReason is not null));
            await UntilAsync(() => History.Count(CallEnding.NotSent) > before + 50, $"50 more not sent; {History}");
            await test.Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        }

        private static Task Done(Action action)
        {
            action();
            return Task.CompletedTask;
        }
    }
}
