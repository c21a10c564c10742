using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SafeAmqp.Peers.Tests;

/// <summary>Celery's protocol of tasks, version 2: its tasks are run here, and ours by a worker of Celery's.</summary>
public sealed class CeleryTests(Brokers brokers) : PeerTest(brokers)
{
    private static string App => Path.Combine(Peer.Folder, "celery_app.py");

    [Theory]
    [MemberData(nameof(AllBrokers))]
    public async Task A_task_that_Celery_sends_is_consumed_and_answered(BrokerKind broker)
    {
        string uri = Brokers.UriOf(broker);
        await Peer.NeedAsync("import celery", "python3-celery");
        AmqpClient client = await ConnectAsync(broker);
        string queue = NewName();
        // As Celery declares it.
        await client.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        await using AmqpSubscription worker = await client.ConsumeAsync(queue, async (delivery, _) =>
        {
            AmqpMessage task = delivery.Message;
            Assert.Equal("peers.add", task.Headers!["task"]);
            JsonArray call = JsonNode.Parse(delivery.Body.Span)!.AsArray();
            int sum = call[0]!.AsArray().Sum(argument => (int)argument!);
            var result = new JsonObject
            {
                ["task_id"] = (string)task.Headers["id"]!,
                ["status"] = "SUCCESS",
                ["result"] = sum,
                ["traceback"] = null,
                ["children"] = new JsonArray(),
            };
            await client.PublishAsync(
                AmqpMessage.ToQueue(task.ReplyTo!, Encoding.UTF8.GetBytes(result.ToJsonString())) with
                {
                    CorrelationId = task.CorrelationId,
                    ContentType = "application/json",
                    ContentEncoding = "utf-8",
                }, Cancelled);
            return AmqpSettlement.Ack;
        }, cancellationToken: Cancelled);

        byte[] printed = await Programs.RunAsync(Programs.Python, default, App, uri, queue, "send", "40", "2");
        Assert.Equal("42", Encoding.UTF8.GetString(printed).Trim());
    }

    [Theory]
    [MemberData(nameof(AllBrokers))]
    public async Task A_task_that_we_send_is_run_by_a_worker_of_Celerys(BrokerKind broker)
    {
        string uri = Brokers.UriOf(broker);
        await Peer.NeedAsync("import celery", "python3-celery");
        AmqpClient client = await ConnectAsync(broker);
        string queue = NewName();
        await client.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        using System.Diagnostics.Process worker = Programs.Start(Programs.Python, App, uri, queue, "worker");
        Task<string> errors = worker.StandardError.ReadToEndAsync(Cancelled);
        try
        {
            JsonElement added = await RunAsync("peers.add", 40, 2);
            Assert.Equal("SUCCESS", added.GetProperty("status").GetString());
            Assert.Equal(42, added.GetProperty("result").GetInt32());

            JsonElement failed = await RunAsync("peers.fail", "because");
            Assert.Equal("FAILURE", failed.GetProperty("status").GetString());
            Assert.Equal("ValueError", failed.GetProperty("result").GetProperty("exc_type").GetString());
        }
        catch (AmqpException error)
        {
            worker.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"The worker said: {await errors}", error);
        }
        finally
        {
            if (!worker.HasExited)
                worker.Kill(entireProcessTree: true);
        }

        async Task<JsonElement> RunAsync(string task, params object[] arguments)
        {
            string id = Guid.NewGuid().ToString("D", CultureInfo.InvariantCulture);
            byte[] body = JsonSerializer.SerializeToUtf8Bytes<object?[]>(
                [
                    arguments,
                    new Dictionary<string, object>(),
                    new Dictionary<string, object?> { ["callbacks"] = null }]);
            AmqpReply reply = await client.CallAsync(AmqpMessage.ToQueue(queue, body) with
            {
                CorrelationId = id,
                ContentType = "application/json",
                ContentEncoding = "utf-8",
                Headers = new Dictionary<string, object?>
                {
                    ["lang"] = "py",
                    ["task"] = task,
                    ["id"] = id,
                    ["root_id"] = id,
                    ["parent_id"] = null,
                    ["group"] = null,
                    ["retries"] = 0,
                    ["eta"] = null,
                    ["expires"] = null,
                    ["timelimit"] = new List<object?> { null, null },
                    ["origin"] = "here",
                },
            }, new AmqpCallOptions { Timeout = Programs.Limit }, Cancelled);
            return JsonDocument.Parse(reply.Body).RootElement;
        }
    }
}
