using SafeAmqp.Tests.Surface;

namespace SafeAmqp.Testing.Tests;

public sealed class PublicApiTests
{
    [Fact]
    public void The_public_surface_of_the_embedded_broker_is_the_one_that_was_reviewed()
    {
        string file = Path.Combine(Repository.Root, "src", "SafeAmqp.Testing", "PublicApi.txt");
        string now = PublicApi.Describe(typeof(AmqpTestBroker).Assembly);
        if (Environment.GetEnvironmentVariable("SAFEAMQP_ACCEPT_PUBLIC_API") == "true")
            File.WriteAllText(file, now);
        string reviewed = File.Exists(file) ? File.ReadAllText(file) : "";
        string[] old = reviewed.Split('\n'), current = now.Split('\n');
        string difference = string.Join('\n', [.. old.Except(current).Select(line => $"- {line}"), .. current.Except(old).Select(line => $"+ {line}")]);
        Assert.True(reviewed == now, $"The public surface has changed. Review it, then run this test with SAFEAMQP_ACCEPT_PUBLIC_API=true.\n{difference}");
    }
}
