using System.Net;
using System.Net.Sockets;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Quic;
using QuicTransports;

namespace FederatedLearning.Tests;

/// <summary>QUIC, on whichever transport this machine has; QUIC_TRANSPORT chooses one.</summary>
public sealed class QuicTests
{
    private static readonly QuicOptions Options =
        QuicSettings.From(Environment.GetEnvironmentVariable) with { Port = 0, Host = "127.0.0.1" };

    private static readonly QuicTransport Transport = Find();

    // What the numbers of a storm are multiplied by.
    private static readonly int Volume =
        int.TryParse(Environment.GetEnvironmentVariable("SAFEAMQP_TEST_VOLUME"), out int volume) ? volume : 1;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Clients_train_to_the_end_each_on_one_connection_with_one_id_and_every_thread_ends()
    {
        QuicProtocolHandler? handler = null;
        await using (var training = await TrainingHost.StartAsync(
            loggers => handler = new QuicProtocolHandler(Options, loggers), rounds: 4, minClients: 3, values: 50_000))
        {
            await using var relay = new Relay(handler!.Address!);
            var members = new[]
            {
                training.Join("1", LinkTo(relay.Port), new SteppingLearner(10, 1)),
                training.Join("2", LinkTo(handler.Address!.Port), new SteppingLearner(20, 2.5f)),
                training.Join("3", LinkTo(handler.Address.Port), new SteppingLearner(30, 7)),
            };
            var end = await training.CompleteAsync(members);

            Assert.All(end.Rounds, round => Assert.Equal((3, 3, 0), (round.Updates, round.Evaluations, round.Missed)));
            Assert.Contains(training.Lines.All,
                line => line.StartsWith("[QUIC] QUIC persistent connection established", StringComparison.Ordinal));
            Assert.Contains("Client received global model for round 4", training.Lines.All);
            Assert.Contains("Client starting evaluation for round 3", training.Lines.All);
            Assert.Contains(training.Lines.All,
                line => line.StartsWith("[QUIC] Sent global_model to client 2 (", StringComparison.Ordinal));
            Assert.Contains(training.Lines.All,
                line => line.EndsWith($"by {Transport.Name}", StringComparison.Ordinal));

            // Four models of 200 kB there and five back, as base64: all that the core has seen went over this one
            // connection.
            Assert.Equal((1, 1, 1), (relay.Clients, relay.ClientIds.Count, relay.ServerIds.Count));
            Assert.InRange(relay.BytesToServer, 4 * 266_000, 4 * 400_000);
            Assert.InRange(relay.BytesToClients, 5 * 266_000, 5 * 400_000);
            Assert.InRange(training.Traffic.BytesIn, 12 * 266_000, 12 * 270_000);
            await training.StopServerAsync();
            Assert.Contains("[QUIC] Server stopped", training.Lines.All);
        }
        await Until.TrueAsync(
            () => Task.FromResult(Threads.Named("fl-quic-server") + Threads.Named("fl-quic-client") == 0),
                "no thread is left");
    }

    [Fact]
    public async Task A_client_that_is_cut_off_is_noticed_and_comes_back_under_its_id_and_a_late_one_takes_part()
    {
        var quick = Options with { IdleTimeout = TimeSpan.FromSeconds(2), KeepAlive = TimeSpan.FromSeconds(0.5) };
        QuicProtocolHandler? handler = null;
        await using var training = await TrainingHost.StartAsync(
            loggers => handler = new QuicProtocolHandler(quick, loggers), rounds: 6, minClients: 2);
        await using var relay = new Relay(handler!.Address!);
        var late = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = training.Join("1", LinkTo(handler.Address!.Port, quick), new SteppingLearner(10, 1)
        {
            InTheMiddle = (round, cancel) => round == 4 ? late.Task.WaitAsync(cancel) : Task.CompletedTask,
        });
        var second = training.Join("2", LinkTo(relay.Port, quick), new SteppingLearner(20, 2)
        {
            InTheMiddle = (round, _) =>
            {
                relay.IsCut |= round == 2;
                return Task.CompletedTask;
            },
        });

        // Round 2 goes on as soon as the connection has idled out.
        await training.UntilAsync(now => now.Rounds.Count >= 2, "round 2 ends without the client that was cut off");
        Assert.Equal(1, training.Now.Rounds[1].Updates);
        var third = training.Join("3", LinkTo(handler.Address.Port, quick), new SteppingLearner(30, 3));
        await training.UntilAsync(now => now.Clients.Any(client => client.Id == "3"), "the late one is there");
        relay.IsCut = false;
        await training.UntilAsync(now => now.Clients.Count == 3, "the first has come back");
        late.TrySetResult();

        var end = await training.CompleteAsync(first, second, third);
        Assert.Equal(3, end.Rounds[^1].Updates);
        Assert.True(end.Counts.Departures >= 1);
    }

    [Fact]
    public async Task A_message_of_128_MiB_goes_in_both_directions()
    {
        await using var running =
            await Running<QuicProtocolHandler>.StartAsync(loggers => new QuicProtocolHandler(Options, loggers));
        await using var link = await RegisteredAsync(running, "1");
        // So many values that base64 of them and the fields beside it fill the limit but for a few bytes.
        var weights = new ModelWeights([new TensorShape("w", [LargestModel])], new float[LargestModel]);
        await link.SendAsync(new ClientUpdate(ClientId.Parse("1"), 1, weights, 10), Token);
        Assert.Equal($"update of 1, round 1, 10 samples, {LargestModel} values", await running.Federation.NextAsync());
        running.Outgoing.Post(new GlobalModel(1, weights));
        Assert.Equal(LargestModel,
            Assert.IsType<GlobalModel>(await link.Received.ReadAsync(Token)).Weights.Values.Length);
        // The client may have it before the server notes that it was sent.
        await Until.TrueAsync(() => running.Traffic.Counts.BytesOut > 0, "what was sent is counted");
        Assert.InRange(running.Traffic.Counts.BytesOut, MessageLimit.Bytes - 1024, MessageLimit.Bytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Datagrams_that_are_lost_cost_nothing_but_time_also_when_addresses_are_checked_first(
        bool alwaysRetry)
    {
        await using var running = await Running<QuicProtocolHandler>.StartAsync(
            loggers => new QuicProtocolHandler(Options with { AlwaysRetry = alwaysRetry }, loggers));
        await using var relay = new Relay(running.Handler.Address!) { LosesOneOf = 15 };
        await using var link = await RegisteredAsync(running, "1", relay.Port);
        int values = 100_000 * Volume;
        var weights = new ModelWeights([new TensorShape("w", [values])], new float[values]);
        await link.SendAsync(new ClientUpdate(ClientId.Parse("1"), 1, weights, 10), Token);
        Assert.Equal($"update of 1, round 1, 10 samples, {values} values", await running.Federation.NextAsync());
        running.Outgoing.Post(new GlobalModel(1, weights));
        Assert.Equal(values, Assert.IsType<GlobalModel>(await link.Received.ReadAsync(Token)).Weights.Values.Length);
    }

    [Fact]
    public async Task Only_the_pinned_certificate_or_one_of_the_own_root_for_the_servers_name_is_trusted()
    {
        using var files = new CertificateFiles();
        var served = Options with { CertificateFiles = (files.Server, files.ServerKey) };
        await using var running =
            await Running<QuicProtocolHandler>.StartAsync(loggers => new QuicProtocolHandler(served, loggers));
        int port = running.Handler.Address!.Port;
        await ConnectsAsync(Options with { RootFile = files.Root, Host = "localhost" });
        await ConnectsAsync(Options with { Pin = files.ServerPin });
        await IsRefusedAsync(Options with { RootFile = files.OtherRoot }, "is not trusted: ");
        await IsRefusedAsync(Options with { Pin = files.OtherPin }, "is not the one that QUIC_PIN names");
        await IsRefusedAsync(Options with { RootFile = files.Root, Host = "127.0.0.1" }, "is not for 127.0.0.1");

        async Task ConnectsAsync(QuicOptions options)
        {
            await using var link =
                new QuicClientLink(ClientId.Parse("1"), options with { Port = port }, running.Loggers);
            await link.ConnectAsync(Token);
        }

        async Task IsRefusedAsync(QuicOptions options, string why)
        {
            await using var link =
                new QuicClientLink(ClientId.Parse("1"), options with { Port = port }, running.Loggers);
            var error = await Assert.ThrowsAsync<LinkException>(() => link.ConnectAsync(Token));
            Assert.True(error.IsFinal);
            Assert.Contains(why, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Beyond_loopback_a_server_needs_a_certificate_of_its_own()
    {
        await using var handler =
            new QuicProtocolHandler(Options with { Listen = IPAddress.Any },
                new Microsoft.Extensions.Logging.LoggerFactory());
        var error = await Assert.ThrowsAsync<InvalidOperationException>(
            () => handler.StartAsync(new HandlerContext(new RecordingFederation(), new OutgoingQueue()), Token));
        Assert.StartsWith("QUIC_CERTIFICATE and QUIC_KEY must be set", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_no_server_listens_a_client_is_told_so_at_once()
    {
        await using var link = new QuicClientLink(
            ClientId.Parse("1"), Options with { Port = 1 }, new Microsoft.Extensions.Logging.LoggerFactory());
        var error = await Assert.ThrowsAsync<LinkException>(() => link.ConnectAsync(Token));
        Assert.False(error.IsFinal);
    }

    [Fact]
    public async Task Whatever_a_peer_sends_is_reported_or_dropped_and_counted_and_harms_no_other_client()
    {
        // Half a registration is told by the stall, which begins with its first byte: long before the time for all of
        // it is over, which begins with the connection.
        var quick = Options with { Stall = TimeSpan.FromSeconds(1), ConnectTimeout = TimeSpan.FromSeconds(6) };
        await using var running =
            await Running<QuicProtocolHandler>.StartAsync(loggers => new QuicProtocolHandler(quick, loggers));
        var options = quick with { Port = running.Handler.Address!.Port };
        await using var good = await RegisteredAsync(running, "1");

        // Before registering: no JSON, something other than a registration, no valid id, an id that is taken, too long,
        // half a message, nothing at all.
        await IsToldAsync("rubbish\n", "the message is not JSON");
        await IsToldAsync(
            """{"type":"metrics","client_id":1,"round":1,"num_samples":1,"metrics":{"loss":1,"accuracy":1}}""" + "\n",
            "a client registers before");
        await IsToldAsync("""{"type":"register","client_id":"../../etc"}""" + "\n", "client_id must be");
        await IsToldAsync("""{"type":"register","client_id":1}""" + "\n", "another client is connected as 1");
        await IsToldAsync(new string('x', 10_000), "the message has more than 4096 bytes");
        await IsToldAsync("""{"type":"register",""", "half a message came");
        await IsToldAsync("", "no registration came in time");

        // Registered: told of each, and it may go on, until half a message has no other half.
        await using (var peer = await Transport.ConnectAsync(options, Token))
        {
            await SendAsync(peer, "\r\n" + """{"type":"register","client_id":2}""" + "\n");
            Assert.Equal("registered 2", await running.Federation.NextAsync());
            await SendAsync(peer, "{]\n" + """{"type":"metrics","client_id":1,"round":1}""" + "\n");
            Assert.StartsWith("refused 2: the message is not JSON", await running.Federation.NextAsync(),
                StringComparison.Ordinal);
            Assert.StartsWith("refused 2: ", await running.Federation.NextAsync(), StringComparison.Ordinal);
            await SendAsync(peer, """{"type":"metrics",""");
            Assert.StartsWith("refused 2: half a message came", await running.Federation.NextAsync(),
                StringComparison.Ordinal);
            Assert.StartsWith("left 2: half a message came", await running.Federation.NextAsync(),
                StringComparison.Ordinal);
        }

        // One that never reads is dropped, with a model under way that it does not take.
        await using (var peer = await Transport.ConnectAsync(options, Token))
        {
            await SendAsync(peer, """{"type":"register","client_id":3}""" + "\n");
            Assert.Equal("registered 3", await running.Federation.NextAsync());
            var model = new ModelWeights([new TensorShape("w", [1 << 20])], new float[1 << 20]);
            running.Outgoing.Post(new GlobalModel(1, model) { Recipient = ClientId.Parse("3") });
            Assert.StartsWith("left 3: the peer read nothing for 1 s", await running.Federation.NextAsync(),
                StringComparison.Ordinal);
        }

        // The first has noticed nothing of all this.
        running.Outgoing.Post(new StartTraining(7));
        Assert.Equal(new StartTraining(7), await good.Received.ReadAsync(Token));

        async Task IsToldAsync(string text, string why)
        {
            await using var peer = await Transport.ConnectAsync(options, Token);
            // A stream is there only when something was sent over it.
            await SendAsync(peer, text.Length > 0 ? text : "\n");
            Assert.StartsWith(
                $"refused unknown: {why}", await running.Federation.NextAsync(), StringComparison.Ordinal);
            using var lines = new LineReader(peer, TimeSpan.FromSeconds(10));
            var told = ServerJson.Read((await lines.NextAsync(Token))!.Value.Span, ClientJson.TypeProperty);
            Assert.StartsWith(why, Assert.IsType<Rejected>(told).Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_line_that_is_longer_than_a_message_may_be_is_refused_before_it_is_all_there()
    {
        await using var running =
            await Running<QuicProtocolHandler>.StartAsync(loggers => new QuicProtocolHandler(Options, loggers));
        await using var peer =
            await Transport.ConnectAsync(Options with { Port = running.Handler.Address!.Port }, Token);
        await SendAsync(peer, """{"type":"register","client_id":1}""" + "\n");
        Assert.Equal("registered 1", await running.Federation.NextAsync());
        byte[] piece = new byte[8 << 20];
        piece.AsSpan().Fill((byte)'x');
        var error = await Record.ExceptionAsync(async () =>
        {
            for (long sent = 0; sent < 2L * MessageLimit.Bytes; sent += piece.Length)
                await peer.WriteAsync(piece, Token);
        });
        Assert.IsType<QuicLostException>(error);
        Assert.Equal($"refused 1: the message has more than {MessageLimit.Bytes} bytes",
            await running.Federation.NextAsync());
        Assert.StartsWith("left 1: ", await running.Federation.NextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Datagrams_of_any_kind_are_answered_as_the_standard_says_or_not_at_all()
    {
        Assert.SkipWhen(Transport.Name != "libngtcp2", "These answers are libngtcp2's.");
        await using var running =
            await Running<QuicProtocolHandler>.StartAsync(loggers => new QuicProtocolHandler(Options, loggers));
        await using var good = await RegisteredAsync(running, "1");
        using var socket = new UdpClient();
        socket.Connect(running.Handler.Address!);

        // Another version, in a packet as large as a first one must be: the versions that are spoken.
        byte[] packet = new byte[1200];
        new byte[] { 0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 9, 9, 9, 9 }.CopyTo(packet, 0);
        await socket.SendAsync(packet, Token);
        byte[] answer = (await socket.ReceiveAsync(Token)).Buffer;
        Assert.Equal([0, 0, 0, 0, 4, 9, 9, 9, 9, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1], answer[1..]);

        // A connection that the server has forgotten: a reset, shorter than what it answers.
        byte[] lost = new byte[60];
        Random.Shared.NextBytes(lost);
        lost[0] = 0x40;
        await socket.SendAsync(lost, Token);
        Assert.InRange((await socket.ReceiveAsync(Token)).Buffer.Length, 21, 59);

        // Rubbish of every length: no answer is due, and none is awaited.
        for (int length = 0; length < 1500; length += 37)
        {
            byte[] rubbish = new byte[length];
            new Random(length).NextBytes(rubbish);
            await socket.SendAsync(rubbish, Token);
        }
        running.Outgoing.Post(new StartTraining(3));
        Assert.Equal(new StartTraining(3), await good.Received.ReadAsync(Token));
    }

    private static int LargestModel => (MessageLimit.WeightBytes - 512) / sizeof(float) / 3 * 3;

    private static async Task SendAsync(IQuicConnection peer, string text)
        => await peer.WriteAsync(System.Text.Encoding.UTF8.GetBytes(text), Token);

    private static Func<ClientId, Microsoft.Extensions.Logging.ILoggerFactory, IClientLink> LinkTo(
        int port, QuicOptions? options = null)
        => (client, loggers) => new QuicClientLink(client, (options ?? Options) with { Port = port }, loggers);

    private static async Task<QuicClientLink> RegisteredAsync(Running<QuicProtocolHandler> running, string id,
        int port = 0)
    {
        var link = new QuicClientLink(
            ClientId.Parse(id), Options with { Port = port > 0 ? port : running.Handler.Address!.Port },
                running.Loggers);
        await link.ConnectAsync(Token);
        await link.SendAsync(new ClientRegistration(ClientId.Parse(id)), Token);
        Assert.Equal($"registered {id}", await running.Federation.NextAsync());
        return link;
    }

    private static QuicTransport Find()
    {
        var transport = QuicTransport.Find(Options.Transport, out string missing);
        Repository.Need(transport is not null, missing);
        return transport!;
    }
}
