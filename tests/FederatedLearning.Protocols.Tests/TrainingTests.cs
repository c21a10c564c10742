using System.Net;
using System.Net.Sockets;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Protocols.Tests.Support;

namespace FederatedLearning.Protocols.Tests;

/// <summary>One protocol alone, as if its single-protocol server ran.</summary>
public sealed class TrainingTests
{
    private readonly int _port = Speaks.FreePort();

    [Theory]
    [InlineData("mqtt", "[MQTT]")]
    [InlineData("grpc", "[gRPC]")]
    public async Task A_training_runs_from_the_registration_to_its_end_over_one_connection_a_client(
        string protocol, string prefix)
    {
        var speaks = Speaks.Of(protocol);
        const int Values = 250_000;
        await using var training = await Session.StartAsync(
            loggers => [speaks.Handler(_port, loggers)], rounds: 4, minClients: 2, Values);
        await using var relay = new Relay(_port);
        training.Join("1", new SteppingLearner(10, 1), speaks.Entry("1", relay.Port, training.Loggers));
        training.Join("two", new SteppingLearner(30, 2.5f), speaks.Entry("two", relay.Port, training.Loggers));
        var end = await training.CompleteAsync();

        Assert.All(end.Rounds, round => Assert.Equal((2, 2, 0), (round.Updates, round.Evaluations, round.Missed)));
        Assert.All(end.Clients, client => Assert.Equal(protocol, client.Protocol));
        Assert.Equal(0, end.Counts.Refused + end.Counts.Duplicates);
        foreach (string line in new[]
        {
            "Client received global model for round 4",
            "Client starting evaluation for round 4"
        })
            Assert.Contains(line, training.Lines.All);
        Assert.Contains(
            training.Lines.All, line => line.StartsWith($"{prefix} Server started", StringComparison.Ordinal));
        Assert.Contains(training.Lines.All, line => line.StartsWith($"{prefix} ", StringComparison.Ordinal)
            && line.Contains("global_model", StringComparison.Ordinal));

        // All of it went over the sockets: eight updates up, five models down to each of two, base64 of four bytes a
        // value. And nothing twice.
        Assert.Equal(2, relay.Connections);
        const double Body = Values * 4.0 * 4 / 3;
        Assert.InRange(relay.Up, 8 * Body, 8.2 * Body);
        Assert.InRange(relay.Down, 10 * Body, 10.2 * Body);
        var traffic = training.Now.Handlers.Single().Traffic;
        Assert.InRange(traffic.BytesIn, 8 * Body, relay.Up);
        Assert.Equal(2 + 8 + 8, traffic.MessagesIn);
        Assert.Equal(0, traffic.Reconnects);
    }

    [Theory]
    [InlineData("mqtt")]
    [InlineData("grpc")]
    public async Task A_late_joiner_takes_part_and_a_client_that_is_killed_has_left_at_once(string protocol)
    {
        var speaks = Speaks.Of(protocol);
        await using var training = await Session.StartAsync(
            loggers => [speaks.Handler(_port, loggers)], rounds: 6, minClients: 2);
        await using var relay = new Relay(_port);
        var joined = new TaskCompletionSource();
        var killed = new TaskCompletionSource();
        training.Join("1", new SteppingLearner(10, 1)
        {
            InTheMiddle = (round, end) =>
                (round == 2 ? joined.Task : round == 4 ? killed.Task : Task.CompletedTask).WaitAsync(end),
        }, speaks.Entry("1", _port, training.Loggers));
        training.Join("2", new SteppingLearner(20, 2.5f), speaks.Entry("2", _port, training.Loggers));
        await training.UntilAsync(now => now.Round == 2, "round 2 runs");
        training.Join(
            "3", new SteppingLearner(30, 7)
            {
                InTheMiddle = (round, end) => round == 4 ? Task.Delay(-1, end) : Task.CompletedTask
            },
            speaks.Entry("3", relay.Port, training.Loggers));
        await training.UntilAsync(now => now.Clients.Count == 3, "the third is registered");
        joined.SetResult();
        await training.UntilAsync(now => now.Round == 4 && now.Clients.Any(client => client.Id == "3"), "round 4 runs");
        relay.Shut();
        await training.UntilAsync(now => now.Clients.Count == 2, "the third has left");
        killed.SetResult();
        await training.UntilAsync(now => now.Rounds.Count >= 5, "round 5 is done without it");
        relay.Open(_port); // it comes back, to be told the end

        var end = await training.CompleteAsync();
        Assert.Equal([2, 3, 3, 2, 2], end.Rounds.Take(5).Select(round => round.Updates));
        Assert.All(end.Rounds, round => Assert.Equal(0, round.Missed)); // no round waited for a deadline
    }

    [Theory]
    [InlineData("mqtt")]
    [InlineData("grpc")]
    public async Task A_connection_that_is_cut_in_mid_round_and_a_server_that_is_another_are_found_again(
        string protocol)
    {
        var speaks = Speaks.Of(protocol);
        await using var relay = new Relay(_port);
        await using var training = await Session.StartAsync(
            loggers => [speaks.Handler(_port, loggers)], rounds: 5, minClients: 2);
        int cuts = 0;
        bool isRestarting = false;
        var restarted = new TaskCompletionSource();
        async Task DisturbAsync(int round, CancellationToken cancellationToken)
        {
            if (round == 2 && Interlocked.Exchange(ref cuts, 1) == 0) relay.Cut();
            if (round != 3 || isRestarting) return;
            isRestarting = true;
            relay.Shut(); // the clients see a server that is killed
            await training.StopServerAsync();
            await training.StartServerAsync();
            relay.Open(_port);
            restarted.SetResult();
        }

        training.Join("1", new SteppingLearner(10, 1) { InTheMiddle = DisturbAsync }, speaks.Entry(
            "1", relay.Port, training.Loggers));
        // No round ends while one of the two is away.
        training.Join("2", new SteppingLearner(20, 2.5f)
        {
            InTheMiddle = (_, _) => Until.TrueAsync(
                () => Task.FromResult(training.Now.Clients.Count == 2), "both are registered"),
        }, speaks.Entry("2", relay.Port, training.Loggers));
        await restarted.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        var end = await training.CompleteAsync();
        Assert.Equal(5, end.Rounds.Count);
        Assert.All(end.Rounds, round => Assert.Equal(0, round.Missed));
        Assert.True(relay.Connections >= 4, $"{relay.Connections}");
    }

    [Theory]
    [InlineData("mqtt")]
    [InlineData("grpc")]
    public async Task A_message_of_128_MiB_goes_in_either_direction(string protocol)
    {
        var speaks = Speaks.Of(protocol);
        using var loggers = new Microsoft.Extensions.Logging.LoggerFactory();
        var federation = new RecordingFederation();
        var outgoing = new OutgoingQueue();
        await using var handler = speaks.Handler(_port, loggers);
        await handler.StartAsync(new HandlerContext(federation, outgoing), TestContext.Current.CancellationToken);
        var client = ClientId.Parse("1");
        await using var link = speaks.Link(client, _port, loggers);
        await link.ConnectAsync(TestContext.Current.CancellationToken);
        await link.SendAsync(new ClientRegistration(client), TestContext.Current.CancellationToken);
        Assert.Equal("registered 1", await federation.NextAsync());

        // As many values as leave room for the other fields: the body has 128 MiB but for less than a hundred bytes.
        int values = (MessageLimit.WeightBytes - 180) / 4;
        var weights = new ModelWeights([new TensorShape("w", [values])], new float[values]);
        await link.SendAsync(new ClientUpdate(client, 1, weights, 7), TestContext.Current.CancellationToken);
        Assert.Equal($"update of 1, round 1, 7 samples, {values} values", await federation.NextAsync());
        var model = new GlobalModel(1, weights);
        Assert.InRange(model.ToJson().Length, MessageLimit.Bytes - 200, MessageLimit.Bytes);
        outgoing.Post(model);
        var received = await link.Received.ReadAsync(TestContext.Current.CancellationToken);
        Assert.Equal(values, Assert.IsType<GlobalModel>(received).Weights.Values.Length);
        outgoing.Complete();
        await handler.StopAsync(TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("mqtt")]
    [InlineData("grpc")]
    public async Task What_is_to_be_sent_is_sent_before_the_end_and_then_the_port_is_free_and_no_connection_left(
        string protocol)
    {
        var speaks = Speaks.Of(protocol);
        using var loggers = new Microsoft.Extensions.Logging.LoggerFactory();
        var federation = new RecordingFederation();
        var outgoing = new OutgoingQueue();
        await using var handler = speaks.Handler(_port, loggers);
        await handler.StartAsync(new HandlerContext(federation, outgoing), TestContext.Current.CancellationToken);
        await using var link = speaks.Link(ClientId.Parse("1"), _port, loggers);
        await link.ConnectAsync(TestContext.Current.CancellationToken);
        await link.SendAsync(new ClientRegistration(ClientId.Parse("1")), TestContext.Current.CancellationToken);
        Assert.Equal("registered 1", await federation.NextAsync());

        outgoing.Post(new TrainingComplete(3, "converged"));
        outgoing.Complete();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await handler.StopAsync(patience.Token);
        Assert.False(patience.IsCancellationRequested);
        Assert.Equal(
            new TrainingComplete(3, "converged"), await link.Received.ReadAsync(TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<LinkException>(
            () => link.Received.Completion.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        using var again = new TcpClient();
        await Assert.ThrowsAnyAsync<SocketException>(
            () => again.ConnectAsync(IPAddress.Loopback, _port, TestContext.Current.CancellationToken).AsTask());
    }

    [Theory]
    [InlineData("mqtt", "MQTT cannot listen on")]
    [InlineData("grpc", "gRPC cannot listen on")]
    public async Task A_port_that_is_taken_is_said_so(string protocol, string what)
    {
        using var taken = new TcpListener(IPAddress.Loopback, _port) { ExclusiveAddressUse = true };
        taken.Start();
        using var loggers = new Microsoft.Extensions.Logging.LoggerFactory();
        await using var handler = Speaks.Of(protocol).Handler(_port, loggers);
        var outgoing = new OutgoingQueue();
        outgoing.Complete();
        var error = await Assert.ThrowsAsync<InvalidOperationException>(
            () => handler.StartAsync(
                new HandlerContext(new RecordingFederation(), outgoing), TestContext.Current.CancellationToken));
        Assert.StartsWith(what, error.Message, StringComparison.Ordinal);
    }
}
