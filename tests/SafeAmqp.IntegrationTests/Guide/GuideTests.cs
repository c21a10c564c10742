using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using ChildPrograms;
using Guide;
using PriceCalls = Guide.Calls;

namespace SafeAmqp.IntegrationTests.Guide;

/// <summary>The programs on the pages for users say what the pages say that they do.</summary>
[Trait("Broker", "3.10")]
public sealed class GuideTests(TestBroker broker) : FeatureTest(broker)
{
    private readonly ConcurrentQueue<string> _said = new();

    private void Say(string line) => _said.Enqueue(line);

    [Fact]
    public async Task What_fails_is_tried_again_then_dead_and_comes_back()
    {
        Named("payments");
        Named("payments.dead");
        AmqpClient amqp = await ConnectAsync();
        bool open = false;
        await using AmqpSubscription consumer = await InTime(
            Failures.PayAsync(amqp, () => Volatile.Read(ref open), Say));

        await UntilAsync(async () => amqp.Status.Links[1].Consumers.Single().Rejected, rejected => rejected == 1,
            "dead messages");
        AssertSaid("Failures.PayAsync");

        _said.Clear();
        Volatile.Write(ref open, true);
        await InTime(Failures.ReturnAsync(amqp, Say));
        await UntilAsync(() => _said.Count >= 3);
        AssertSaid("Failures.ReturnAsync", inOrder: false);
    }

    [Fact]
    public async Task A_publish_says_what_became_of_the_message()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);

        await InTime(Failures.PublishAsync(amqp, AmqpMessage.ToQueue(queue, Bytes("a")), Say));
        await InTime(Failures.PublishAsync(amqp, AmqpMessage.ToQueue("nowhere", Bytes("a")), Say));
        await InTime(Failures.PublishAllAsync(amqp,
            [AmqpMessage.ToQueue(queue, Bytes("a")), AmqpMessage.ToQueue("nowhere", Bytes("a"))], Say));

        Assert.Collection(_said,
            line => Assert.Equal("Confirmed", line),
            line => Assert.StartsWith("Returned: it may be published again. ", line, StringComparison.Ordinal),
            line => Assert.Equal("Message 1: Returned", line));
    }

    [Fact]
    public async Task Calls_are_answered_or_fail_as_the_page_says()
    {
        Named("prices");
        AmqpClient amqp = await ConnectAsync();

        await InTime(PriceCalls.RunAsync(amqp, Say));

        AssertSaid("Calls.RunAsync");
    }

    [Fact]
    public async Task One_request_has_as_many_replies_as_the_page_says()
    {
        Named("price-lists");
        AmqpClient amqp = await ConnectAsync();

        await InTime(PriceCalls.ListAsync(amqp, Say));

        Assert.Equal(["Tea: 3", "Tea: 4", "Tea: 5"], _said);
    }

    [Fact]
    public async Task A_call_whose_replies_have_a_queue_of_their_own_is_answered()
    {
        Named("reports.replies");
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await amqp.ServeAsync(queue, (request, _) => new(new AmqpMessage { Body = request.Body }),
            cancellationToken: Cancelled);

        Assert.Equal("a", Text(await InTime(PriceCalls.AskForLongAsync(amqp, AmqpMessage.ToQueue(queue, Bytes("a"))))));
    }

    [Fact]
    public async Task A_stream_is_read_and_read_again()
    {
        Named("measurements");
        AmqpClient amqp = await ConnectAsync();

        await InTime(Streams.RunAsync(amqp, Say));
        AssertSaid("Streams.RunAsync");

        _said.Clear();
        await using AmqpSubscription roof = await InTime(Streams.ReadOnAsync(amqp, 0, Say));
        await UntilAsync(() => !_said.IsEmpty);
        AssertSaid("Streams.ReadOnAsync");
    }

    [Fact]
    public async Task A_queue_may_have_a_dead_letter_exchange_of_its_own()
    {
        Named("unpaid");
        Named("invoices");
        AmqpClient amqp = await ConnectAsync();
        await InTime(Failures.DeclareAsync(amqp));
        await amqp.PublishAsync("", "invoices", Bytes("a"), Cancelled);
        await amqp.ConsumeAsync("invoices", (_, _) => new(AmqpSettlement.Reject), cancellationToken: Cancelled);

        var letters = new Inbox();
        await amqp.ConsumeAsync("unpaid", letters.HandleAsync, cancellationToken: Cancelled);
        Assert.Equal("a", Text(await letters.NextAsync()));
        Assert.Equal(5, Failures.Policies().Count);
    }

    // Those of docs/messages, which say nothing.
    [Fact]
    public async Task What_pages_about_messages_advise_works()
    {
        AmqpClient amqp = await ConnectAsync();
        foreach (string queue in (string[])["european-news", "orders", "statements", "reports", "documents"])
            Named(queue);
        var inbox = new Inbox();

        await InTime(Messages.TellAsync(amqp, Bytes("a")));
        Assert.Equal(1, (await amqp.Admin.CountAsync("european-news", Cancelled)).Messages);
        await using (await InTime(Messages.OwnQueueAsync(amqp, inbox.HandleAsync)))
        {
            await InTime(Messages.DeclareExchangeAsync(amqp, Bytes("b")));
            Assert.Equal("b", Text(await inbox.NextAsync()));
        }
        await using (await InTime(Messages.DeclareQueueAsync(amqp, inbox.HandleAsync)))
        {
            await InTime(Messages.AdoptAsync(amqp));
            await InTime(Messages.PatientAsync(amqp, AmqpMessage.ToQueue("orders", Bytes("c"))));
            Assert.Equal("c", Text(await inbox.NextAsync()));
        }
        Assert.Equal(0, await InTime(Messages.CountAsync(amqp)));

        var addresses = new ConcurrentQueue<string>();
        Named("orders.dead");
        await using (await InTime(Messages.ReadAsync(amqp, (address, _) =>
        {
            addresses.Enqueue(address);
            return Task.CompletedTask;
        })))
        {
            await amqp.PublishAsync(AmqpMessage.ToQueue("orders", []) with
            { Headers = new Dictionary<string, object?> { ["address"] = "here" } }, Cancelled);
            await amqp.PublishAsync(AmqpMessage.ToQueue("orders", []), Cancelled);
            await UntilAsync(() => amqp.Status.Links[1].Consumers.Single() is { Unsettled: 0, Rejected: 1 });
            Assert.Equal(1, (await amqp.Admin.CountAsync("orders.dead", Cancelled)).Messages);
        }
        Assert.Equal(["here"], addresses);

        await using (await InTime(Messages.OneAtATimeAsync(amqp, inbox.HandleAsync)))
        await using (await InTime(Messages.OneAtATimeAsync(amqp, inbox.HandleAsync)))
        {
            await amqp.PublishAsync("", "statements", Bytes("d"), Cancelled);
            Assert.Equal("d", Text(await inbox.NextAsync()));
        }
        await amqp.DeclareAsync(new AmqpTopology().Queue("reports").Queue("documents"), Cancelled);
        await using (await InTime(Messages.HeedAsync(amqp, _ => Task.CompletedTask)))
        {
            await amqp.PublishAsync("", "reports", Bytes("e"), Cancelled);
            await UntilAsync(() => amqp.Admin.CountAsync("reports", Cancelled), counts => counts.Messages == 0);
        }
        await InTime(Messages.PublishAsync(amqp, Bytes("f")));
        Assert.Equal("invoice", (await amqp.Admin.GetAsync("documents", Cancelled))!.Message.Headers!["kind"]);
        await amqp.Admin.DeleteExchangeAsync("news", Cancelled);
    }

    [Theory, InlineData("before"), InlineData("after")]
    public async Task A_letter_is_read_with_either_library(string which)
    {
        Named("letters");
        // One that was read last time, and whose reader had closed its channel before it was acknowledged
        await (await ConnectAsync()).Admin.DeleteQueueAsync("letters", Cancelled);
        var read = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Action<string> say = line =>
        {
            Say(line);
            read.SetResult();
        };
        await (which == "before"
            ? Before.RunAsync(new Uri(Broker.Uri), say, read.Task.WaitAsync(Limit, Cancelled))
            : After.RunAsync(new Uri(Broker.Uri), say, read.Task.WaitAsync(Limit, Cancelled)));
        Assert.Equal(["Read a letter"], _said);
    }

    [Theory, InlineData("before"), InlineData("after")]
    public async Task An_order_is_packed_with_MassTransit_and_with_SafeAmqp(string which)
    {
        Named("Order");
        Named("orders-to-pack");
        Named("orders-submitted");
        Named("Guide:OrderSubmitted");
        var packed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Action<string> say = line =>
        {
            Say(line);
            packed.SetResult();
        };
        await (which == "before"
            ? BeforeMassTransit.RunAsync(new Uri(Broker.Uri), say, packed.Task.WaitAsync(Limit, Cancelled))
            : AfterMassTransit.RunAsync(new Uri(Broker.Uri), say, packed.Task.WaitAsync(Limit, Cancelled)));
        Assert.Equal(["Packing 2 of tea"], _said);
    }

    [Fact]
    public async Task An_order_goes_through_the_service_to_the_worker()
    {
        Named("orders");
        var settings = new Dictionary<string, string>
        {
            ["ConnectionStrings__SafeAmqp"] = Broker.Uri,
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
        };
        await using var worker = Start("OrderWorker", settings);
        await using var service = Start("OrderService", settings);
        string listening = await service.LineAsync("Now listening on: ", Cancelled).WaitAsync(Limit, Cancelled);
        using var http = new HttpClient { BaseAddress = new Uri(Regex.Match(listening, @"http://\S+").Value) };

        await UntilAsync(async () => (await http.GetAsync("/ready", Cancelled)).StatusCode,
            status => status == HttpStatusCode.OK, "ready");
        HttpResponseMessage answer = await http.PostAsJsonAsync("/orders", new { item = "tea", count = 2 }, Cancelled);

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        await UntilAsync(() => Task.FromResult<string[]>([.. worker.LastLines]),
            lines => lines.Contains(Output("OrderWorker").Single()), "an order in the worker's output");
    }

    // From its own folder: the two have other frameworks than the tests
    internal static ChildProgram Start(string sample, IReadOnlyDictionary<string, string> settings)
    {
        string folder = AppContext.BaseDirectory.Replace(Path.Combine("tests", "SafeAmqp.IntegrationTests"),
            Path.Combine("samples", sample), StringComparison.Ordinal);
        return ChildProgram.StartProgram(sample, Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            [Path.Combine(folder, $"{sample}.dll")], settings);
    }

    private void AssertSaid(string program, bool inOrder = true)
    {
        string[] expected = Output(program);
        if (inOrder)
            Assert.Equal(expected, _said);
        else
            Assert.Equal(expected.Order(StringComparer.Ordinal), _said.Order(StringComparer.Ordinal));
    }

    /// <summary>What the pages say that a program says.</summary>
    internal static string[] Output(string program)
    {
        string[] found = [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Pages"), "*.md")
            .SelectMany(page => Regex.Matches(File.ReadAllText(page),
                $@"<!-- output of {Regex.Escape(program)} -->\n```text\n(.*?)```", RegexOptions.Singleline))
            .Select(match => match.Groups[1].Value)];
        return Assert.Single(found).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
