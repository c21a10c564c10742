using System.Collections.Concurrent;
using ChildPrograms;
using ImageServer.Protocol;
using ImageServer.Tests.Support;
using ImageWorkers.Painting;
using Microsoft.Extensions.DependencyInjection;
using SafeAmqp.Testing;

namespace ImageServer.Tests.WithBroker;

/// <summary>What becomes of prompts when clients leave, workers die, lines are full and the broker goes.</summary>
public sealed class WorkerTests(Broker broker)
{
    [Fact]
    public async Task A_client_that_leaves_has_its_request_cancelled_at_the_worker()
    {
        var model = new GatedModel();
        await using var server = await RunningServer.StartAsync(broker.Uri, ("GEN_MODEL", "gated"));
        await server.StartWorkerAsync(builder => builder.Services.AddSingleton<IImageModel>(model));
        var client = await server.ConnectAsync();
        await client.SendAsync("gen a boat", TestContext.Current.CancellationToken);
        await Until.TrueAsync(() => model.Begun.Contains("a boat"), "the worker draws");
        Assert.Single(server.State.Line);

        client.Abort();
        // far within the 30 s of the call
        await Until.TrueAsync(() => model.Cancelled.Contains("a boat"), "the worker has stopped");
        await Until.TrueAsync(() => server.State.Line.IsEmpty && server.State.Clients.IsEmpty, "nothing is left of it");
    }

    [Fact]
    public async Task A_request_whose_client_left_while_it_waited_is_never_begun()
    {
        var model = new GatedModel();
        await using var server = await RunningServer.StartAsync(
            broker.Uri, ("GEN_MODEL", "gated"), ("LOGLEVEL", "debug"));
        await server.StartWorkerAsync(builder => builder.Services.AddSingleton<IImageModel>(model));
        using var first = await server.ConnectAsync();
        var picture = first.AnswerAsync("gen first");
        await Until.TrueAsync(() => model.Begun.Contains("first"), "the worker draws");
        var second = await server.ConnectAsync();
        await second.SendAsync("gen second", TestContext.Current.CancellationToken);
        await Until.TrueAsync(() => server.State.Line.Count == 2, "the second waits");
        second.Abort();
        await Until.TrueAsync(
            () => server.Lines.All.Any(line => line.EndsWith("the workers were told", StringComparison.Ordinal)),
            "the workers were told");

        model.Open();
        Assert.IsType<ReceivedAnswer.Picture>(await picture);
        Assert.IsType<ReceivedAnswer.Picture>(await first.AnswerAsync("gen third")); // behind the second in the queue
        Assert.Equal(["first", "third"], model.Begun);
    }

    [Fact]
    public async Task A_client_that_waits_asks_for_its_place_and_hears_it_before_its_picture()
    {
        var model = new GatedModel();
        await using var server = await RunningServer.StartAsync(broker.Uri, ("GEN_MODEL", "gated"));
        await server.StartWorkerAsync(builder => builder.Services.AddSingleton<IImageModel>(model));
        using var first = await server.ConnectAsync();
        using var second = await server.ConnectAsync();
        await first.SendAsync("gen first", TestContext.Current.CancellationToken);
        await Until.TrueAsync(() => server.State.Line.Count == 1, "the first is in line");
        await second.SendAsync("gfx 4 gen second", TestContext.Current.CancellationToken);
        await Until.TrueAsync(() => server.State.Line.Count == 2, "the second is in line");

        Assert.Equal("1 of 2 in line", await first.MessageAsync("place"));
        Assert.Equal("2 of 2 in line", await second.MessageAsync("place"));
        model.Open();
        Assert.Equal(
            GraphicsMode.Graphics8,
            Assert.IsType<ReceivedAnswer.Picture>(await first.ReadAsync(TestContext.Current.CancellationToken))
            .Content.Mode);
        Assert.Equal(
            GraphicsMode.Graphics9,
            Assert.IsType<ReceivedAnswer.Picture>(await second.ReadAsync(TestContext.Current.CancellationToken))
            .Content.Mode);
        await Until.TrueAsync(() => server.State.Line.IsEmpty, "nothing is left of them");
        Assert.Equal("not in line", await second.MessageAsync("place"));
    }

    [Fact]
    public async Task A_full_line_refuses_at_once_and_takes_requests_again_when_there_is_room()
    {
        var model = new GatedModel();
        await using var server = await RunningServer.StartAsync(broker.Uri, ("GEN_MODEL", "gated"), ("MAX_LINE", "2"));
        await server.StartWorkerAsync(builder => builder.Services.AddSingleton<IImageModel>(model));
        using var first = await server.ConnectAsync();
        using var second = await server.ConnectAsync();
        using var third = await server.ConnectAsync();
        var pictures = Task.WhenAll(first.AnswerAsync("gen first"), second.AnswerAsync("gen second"));
        await Until.TrueAsync(() => server.State.Line.Count == 2, "the line is full");
        Assert.Equal("Too many are waiting, try again later", await third.ErrorAsync("gen third"));

        model.Open();
        Assert.All(await pictures, answer => Assert.IsType<ReceivedAnswer.Picture>(answer));
        await third.PictureAsync("gen third");
    }

    [Fact]
    public async Task A_queue_that_is_full_on_the_broker_refuses_too()
    {
        await using var server = await RunningServer.StartAsync(
            broker.Uri, ("MAX_LINE", "1000"), ("ANSWER_TIMEOUT_SECONDS", "5"));
        await server.ReadyAsync();
        var clients = await Task.WhenAll(
            Enumerable.Range(0, WorkerMessages.MaxQueueLength + 20).Select(_ => server.ConnectAsync()));
        // no worker takes any
        string[] answers = await Task.WhenAll(clients.Select(client => client.ErrorAsync("gen a boat")));
        Assert.InRange(
            answers.Count(answer => answer == "Too many are waiting, try again later"), 20,
            WorkerMessages.MaxQueueLength);
        Assert.Contains("No picture within 5 seconds", answers);
        foreach (var client in clients)
            client.Dispose();
    }

    [Fact]
    public async Task Without_a_worker_a_request_ends_when_its_time_is_over()
    {
        // Time enough for the broker to confirm the request: one that is not is told otherwise.
        await using var server = await RunningServer.StartAsync(broker.Uri, ("ANSWER_TIMEOUT_SECONDS", "2.5"));
        await server.ReadyAsync();
        using var client = await server.ConnectAsync();
        Assert.Equal("No picture within 2.5 seconds", await client.ErrorAsync("gen a boat"));
        Assert.Equal("ACK!", await client.MessageAsync("hello"));
        await Until.TrueAsync(() => server.State.Line.IsEmpty, "nothing is left of it");
    }

    [Fact]
    public async Task A_worker_that_is_killed_while_it_draws_costs_its_client_nothing_but_time()
    {
        await using var server = await RunningServer.StartAsync(
            broker.Uri, ("GEN_MODEL", "patient"), ("DRAWING_SECONDS", "60"), ("ANSWER_TIMEOUT_SECONDS", "60"));
        await server.ReadyAsync();
        var environment = server.Settings.ToDictionary(pair => pair.Key, pair => pair.Value!);
        await using var killed = ChildProgram.Start("worker", "ImageWorkers", ["generator"], environment);
        using var client = await server.ConnectAsync();
        var picture = client.AnswerAsync("gen a boat");
        await killed.LineAsync(" begun", TestContext.Current.CancellationToken);

        killed.Kill();
        await server.StartWorkerAsync(builder => builder.Configuration["DRAWING_SECONDS"] = "0");
        Assert.IsType<ReceivedAnswer.Picture>(await picture);
    }

    [Fact]
    public async Task Several_workers_draw_at_once()
    {
        var models = (GatedModel[])[new(), new()];
        await using var server = await RunningServer.StartAsync(broker.Uri, ("GEN_MODEL", "gated"));
        foreach (var model in models)
            await server.StartWorkerAsync(builder => builder.Services.AddSingleton<IImageModel>(model));
        using var first = await server.ConnectAsync();
        using var second = await server.ConnectAsync();
        var pictures = Task.WhenAll(first.AnswerAsync("gen first"), second.AnswerAsync("gen second"));
        await Until.TrueAsync(() => models.All(model => model.Begun.Count == 1), "each of them draws one");
        foreach (var model in models)
            model.Open();
        Assert.All(await pictures, answer => Assert.IsType<ReceivedAnswer.Picture>(answer));
    }

    [Fact]
    public async Task A_broker_that_is_away_is_told_at_once_and_prompts_are_drawn_again_when_it_is_back()
    {
        await using var own = await AmqpTestBroker.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var server = await RunningServer.StartAsync(own.Uri, ("BROKER_GRACE_SECONDS", "0.2"));
        await server.StartWorkerAsync();
        using var client = await server.ConnectAsync();
        await client.PictureAsync("gen a boat");

        await own.StopAsync(TestContext.Current.CancellationToken);
        await Until.TrueAsync(() => server.IsAway, "the server has noticed");
        Assert.Equal("The picture service is away, try again later", await client.ErrorAsync("next"));
        await client.PictureAsync("gfx 4 video");
        Assert.Equal("ACK!", await client.MessageAsync("hello"));

        await own.StartAgainAsync(TestContext.Current.CancellationToken);
        await server.ReadyAsync();
        await Until.TrueAsync(
            () => client.AnswerAsync("gen a boat").Result is ReceivedAnswer.Picture, "prompts are drawn again");
    }

    /// <summary>A model that draws when it is let, and until then waits to be cancelled.</summary>
    private sealed class GatedModel : IImageModel
    {
        private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ConcurrentQueue<string> Begun { get; } = new();

        public ConcurrentQueue<string> Cancelled { get; } = new();

        public string Name => "gated";

        public void Open() => _gate.SetResult();

        public async Task<ReadOnlyMemory<byte>> DrawAsync(string prompt, int seed, CancellationToken unwanted)
        {
            Begun.Enqueue(prompt);
            try
            {
                await _gate.Task.WaitAsync(unwanted);
            }
            catch (OperationCanceledException)
            {
                Cancelled.Enqueue(prompt);
                throw;
            }

            return await new Painter().DrawAsync(prompt, seed, unwanted);
        }
    }
}
